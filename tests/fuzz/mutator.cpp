#include "tests/fuzz/mutator.h"

#include <algorithm>

namespace attestd::fuzz {
namespace {

constexpr std::size_t kMaxLen = std::size_t{1} << 20;
constexpr std::size_t kMaxPiece = 64;
constexpr std::array<std::uint8_t, 8> kEdges{0x00, 0x01, 0x20, 0x22, 0x7f, 0x80, 0xfe, 0xff};

auto at(Bytes& bytes, std::size_t n) { return bytes.begin() + static_cast<std::ptrdiff_t>(n); }

}  // namespace

// xorshift64*: any generator that is the same everywhere will do.
std::size_t Mutator::below(std::size_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return bound == 0 ? 0
                      : static_cast<std::size_t>((state_ * 0x2545f4914f6cdd1dULL) >> 16) % bound;
}

Bytes Mutator::mutant(const Seed& of, unsigned n) {
    state_ = 0x9e3779b97f4a7c15ULL * (n + 1);
    Bytes bytes = of.bytes;
    const std::size_t changes = 1 + below(4);
    for (std::size_t i = 0; i < changes; ++i) change(bytes);
    if (bytes.size() > kMaxLen) bytes.resize(kMaxLen);
    return bytes;
}

void Mutator::insert(Bytes& bytes, ByteView what) {
    const Bytes copy = to_bytes(what);
    bytes.insert(at(bytes, below(bytes.size() + 1)), copy.begin(), copy.end());
}

void Mutator::overwrite(Bytes& bytes, ByteView what) {
    const Bytes copy = to_bytes(what);
    const std::size_t from = below(bytes.size());
    std::copy_n(copy.begin(), std::min(copy.size(), bytes.size() - from), at(bytes, from));
}

void Mutator::change(Bytes& bytes) {
    const std::size_t kind = below(words_.empty() ? 7 : 9);
    if (bytes.empty() || kind == 0) {
        const std::uint8_t byte = kEdges[below(kEdges.size())];
        return insert(bytes, ByteView(&byte, 1));
    }
    const std::size_t from = below(bytes.size());
    const std::size_t len = 1 + below(std::min(kMaxPiece, bytes.size() - from));
    const Bytes& other = seeds_[below(seeds_.size())].bytes;
    switch (kind) {
        case 1:
            bytes[from] ^= static_cast<std::uint8_t>(1U << below(8));
            return;
        case 2:
            bytes[from] = kEdges[below(kEdges.size())];
            return;
        case 3:
            bytes.erase(at(bytes, from), at(bytes, from + len));
            return;
        case 4:
            return insert(bytes, ByteView(bytes).subspan(from, len));
        case 5:
            bytes.resize(from);
            return;
        case 6: {  // the same place of another seed
            const std::size_t begin = std::min(from, other.size());
            return overwrite(bytes,
                             ByteView(other).subspan(begin, std::min(len, other.size() - begin)));
        }
        case 7:
            return insert(bytes, as_bytes(words_[below(words_.size())]));
        default:
            return overwrite(bytes, as_bytes(words_[below(words_.size())]));
    }
}

}  // namespace attestd::fuzz
