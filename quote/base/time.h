// Points in time, to the second, as the documents of this field state them.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

using Time = std::chrono::sys_seconds;

/// RFC 3339 with `Z` or an offset; fractions of a second are refused unless all digits are zero.
/// Years 0001 to 9999. Errc::bad_encoding.
[[nodiscard]] Result<Time> parse_rfc3339(std::string_view text, std::string_view what);

/// A date of the calendar and a time of the day; refused when there is no such instant (no leap
/// second).
[[nodiscard]] Result<Time> make_time(int year, unsigned month, unsigned day, unsigned hour,
                                     unsigned minute, unsigned second, std::string_view what);

/// "2026-11-22T07:54:00Z".
[[nodiscard]] std::string to_rfc3339(Time time);

/// The span in which something may be used: both ends belong to it.
struct Window {
    Time from = Time::min();
    Time until = Time::max();

    [[nodiscard]] bool contains(Time t) const noexcept { return from <= t && t <= until; }
    /// The part that lies in both.
    [[nodiscard]] Window intersect(const Window& other) const noexcept {
        return {std::max(from, other.from), std::min(until, other.until)};
    }
};

}  // namespace attestd
