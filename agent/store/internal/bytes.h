// Writing of little-endian numbers: the counterpart of quote/base/reader.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quote/base/bytes.h"

namespace attestd::store {

/// Stores `value`, least significant byte first.
template <class T>
constexpr void store_le(std::span<std::uint8_t, sizeof(T)> out, T value) noexcept {
    for (std::size_t i = 0; i < sizeof(T); ++i)
        out[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

template <class T>
void append_le(Bytes& out, T value) {
    ByteArray<sizeof(T)> le{};
    store_le<T>(le, value);
    out.insert(out.end(), le.begin(), le.end());
}

inline void append(Bytes& out, ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace attestd::store
