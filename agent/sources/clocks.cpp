#include "agent/sources/clocks.h"

#include <thread>

namespace attestd {

Clocks Clocks::real() {
    return {[] { return wall_now(); }, [] { return BootClock::now(); },
            [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }};
}

}  // namespace attestd
