// Durations as configuration states them: "10m", "30s", "500ms".
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

using Millis = std::chrono::milliseconds;

/// A whole number and one unit (ms, s, m, h, d), without blank or sign. Errc::bad_encoding.
[[nodiscard]] Result<Millis> parse_duration(std::string_view text);

/// The same value in the largest unit that divides it.
[[nodiscard]] std::string to_string(Millis duration);

}  // namespace attestd
