// Grade: what a result rests on.
#pragma once

#include <cstdint>
#include <string_view>

namespace attestd {

/// The vendors' pinned keys alone, or also a trust anchor that somebody added.
enum class Grade : std::uint8_t { production, test };

[[nodiscard]] constexpr std::string_view grade_name(Grade g) noexcept {
    return g == Grade::production ? "production" : "test";
}

}  // namespace attestd
