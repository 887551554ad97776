// The mechanical mutations that every valid vector is put through: single-bit flips, truncations,
// extra bytes, and length fields at 0, 1 and their maximum.
//
// Each function calls `use(mutated, where)` once for each mutant; `where` is the bit, the length or
// the value, for INFO(). The mutant ends with the call. The loops hold no assertion of their own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "quote/base/bytes.h"

namespace attestd::test {

/// A part of the input, in bytes.
struct ByteRange {
    std::size_t at;
    std::size_t len;

    [[nodiscard]] constexpr bool contains(std::size_t byte) const noexcept {
        return byte >= at && byte - at < len;
    }
};

/// Flips each single bit of `range`; `where` is the bit's number within the whole input
/// (8 * byte + bit, least significant first). With `step` n, each n-th bit only: for inputs on
/// which one check costs milliseconds. Choose an odd step, so that it does not hit the same bit of
/// each byte.
template <class F>
void for_each_bit_flip(ByteView original, ByteRange range, std::size_t step, F&& use) {
    Bytes mutant = to_bytes(original);
    for (std::size_t bit = range.at * 8; bit < (range.at + range.len) * 8; bit += step) {
        const auto mask = static_cast<std::uint8_t>(1U << (bit % 8));
        mutant.at(bit / 8) ^= mask;
        use(ByteView(mutant), bit);
        mutant.at(bit / 8) ^= mask;
    }
}

/// Flips each single bit of the whole input.
template <class F>
void for_each_bit_flip(ByteView original, F&& use) {
    for_each_bit_flip(original, {0, original.size()}, 1, std::forward<F>(use));
}

/// Cuts the input to each shorter length, the longest first; `where` is the length. Each mutant is
/// a buffer of exactly that size, so that a sanitizer sees a read past it.
template <class F>
void for_each_truncation(ByteView original, std::size_t step, F&& use) {
    for (std::size_t cut = 1; cut <= original.size(); cut += step) {
        const Bytes mutant = to_bytes(original.first(original.size() - cut));
        use(ByteView(mutant), mutant.size());
    }
}
template <class F>
void for_each_truncation(ByteView original, F&& use) {
    for_each_truncation(original, 1, std::forward<F>(use));
}

/// Puts one byte after the input, and one before it: 0x00 and 0xff each; `where` is the byte.
template <class F>
void for_each_extra_byte(ByteView original, F&& use) {
    for (const std::uint8_t extra : {std::uint8_t{0x00}, std::uint8_t{0xff}}) {
        Bytes mutant = to_bytes(original);
        mutant.push_back(extra);
        use(ByteView(mutant), std::size_t{extra});
        mutant.pop_back();
        mutant.insert(mutant.begin(), extra);
        use(ByteView(mutant), std::size_t{extra});
    }
}

enum class ByteOrder : std::uint8_t { little, big };

/// Sets the unsigned length field in `field` (1 to 8 bytes) to 0, 1, its old value less one and
/// more one, and its maximum; `where` is the value.
template <class F>
void for_each_length_value(ByteView original, ByteRange field, ByteOrder order, F&& use) {
    const auto place = [&](std::size_t i) {  // i counts from the least significant byte
        return field.at + (order == ByteOrder::little ? i : field.len - 1 - i);
    };
    std::uint64_t old = 0;
    for (std::size_t i = field.len; i-- > 0;) old = (old << 8) | original[place(i)];
    const std::uint64_t max =
        field.len >= 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * field.len)) - 1;

    for (const std::uint64_t value :
         std::array<std::uint64_t, 5>{0, 1, (old - 1) & max, (old + 1) & max, max}) {
        if (value == old) continue;
        Bytes mutant = to_bytes(original);
        for (std::size_t i = 0; i < field.len; ++i) {
            mutant.at(place(i)) = static_cast<std::uint8_t>(value >> (8 * i));
        }
        use(ByteView(mutant), static_cast<std::size_t>(value));
    }
}

}  // namespace attestd::test
