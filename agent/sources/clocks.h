// Clocks: what time it is, and how to let some pass, for what asks services and must be tested
// without waiting.
#pragma once

#include <chrono>
#include <functional>

#include "agent/clock.h"

namespace attestd {

struct Clocks {
    std::function<Time()> wall;
    std::function<BootTime()> boot;
    std::function<void(std::chrono::milliseconds)> sleep;

    [[nodiscard]] static Clocks real();
};

}  // namespace attestd
