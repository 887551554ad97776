// Puts one input through all mutations and judges what becomes of each.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/mutation/plan.h"
#include "verifier/verifier.h"

namespace attestd::mutation {

/// Genuine evidence with all that its appraisal depends on.
struct Case {
    std::string name;
    Bytes evidence;
    std::vector<Bytes> endorsements;
    std::vector<Bytes> anchors;
    AppraisalPolicy policy;
    Time at;
};

/// The part of a case that is mutated: its evidence, or one of its endorsements.
struct Target {
    std::string what;
    std::optional<std::size_t> endorsement;
    Plan plan;
    /// Ranges that were mutated with another case: the same bytes in the same place.
    std::vector<ByteRange> done_before;
};

struct Effort {
    std::size_t most = 0;  ///< mutants of each kind for a target at most; 0 for all
    unsigned num_threads = 1;
    /// Asks a verifier that remembers nothing about every n-th mutant too: 1 for all, 0 for none.
    std::size_t cold_every = 1;
};

struct Tally {
    std::size_t num_mutants = 0, num_undecided = 0, num_unsigned = 0, num_cold = 0;
    std::map<std::string, std::size_t> by_reason;  ///< of those that did not verify
    std::map<std::string, std::size_t> by_unsigned;
    std::vector<std::string> wrong;  ///< one line each, the first few
    std::size_t num_wrong = 0;

    void add(const Tally& other);
};

[[nodiscard]] Tally run(const Case& genuine, const Target& target, const Effort& effort);

}  // namespace attestd::mutation
