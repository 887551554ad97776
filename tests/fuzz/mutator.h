// Mutator: the same mutations of the same seeds in every run; what libFuzzer does, without its
// eyes.
#pragma once

#include <cstdint>

#include "tests/fuzz/target.h"

namespace attestd::fuzz {

class Mutator final {
 public:
    Mutator(const Seeds& seeds, const Words& words) : seeds_(seeds), words_(words) {}

    /// Mutant number `n` of a seed: one to four changes, of which `n` alone decides.
    [[nodiscard]] Bytes mutant(const Seed& of, unsigned n);

 private:
    [[nodiscard]] std::size_t below(std::size_t bound);
    void change(Bytes& bytes);
    void insert(Bytes& bytes, ByteView what);
    void overwrite(Bytes& bytes, ByteView what);

    const Seeds& seeds_;
    const Words& words_;
    std::uint64_t state_ = 0;
};

}  // namespace attestd::fuzz
