// The two clocks of the daemon. Ages are counted on CLOCK_BOOTTIME, which nobody can set and which
// goes on during suspend; the wall clock is asked only where a document states a date.
#pragma once

#include <time.h>

#include <chrono>

#include "quote/base/time.h"

namespace attestd {

/// CLOCK_BOOTTIME as a standard clock.
struct BootClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;

    [[nodiscard]] static time_point now() noexcept {
        timespec ts{};
        ::clock_gettime(CLOCK_BOOTTIME, &ts);
        return time_point(std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec));
    }
};

using BootTime = BootClock::time_point;

[[nodiscard]] inline Time wall_now() noexcept {
    return std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace attestd
