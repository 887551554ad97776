// Byte containers, and the only two places where text and bytes are looked at as each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace attestd {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

template <std::size_t N>
using ByteArray = std::array<std::uint8_t, N>;

/// The bytes of `text`, in memory order. Lives as long as `text`.
[[nodiscard]] inline ByteView as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// `bytes` seen as text, whatever they hold (no check of UTF-8). Lives as long as `bytes`.
[[nodiscard]] inline std::string_view as_text(ByteView bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }

/// True when every byte is zero; true for an empty view.
[[nodiscard]] bool all_zero(ByteView bytes) noexcept;

/// Same length and same bytes. Not constant-time: for public values only.
[[nodiscard]] bool equal(ByteView a, ByteView b) noexcept;

/// Same length and same bytes, in time that depends on the length alone.
[[nodiscard]] bool equal_constant_time(ByteView a, ByteView b) noexcept;

}  // namespace attestd
