#include "agent/http/stop_signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace attestd {

StopSignal::StopSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void StopSignal::raise() noexcept {
    is_raised_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    // It fails for a counter that is full: then it can be read already.
    if (fd_) static_cast<void>(!::write(fd_.get(), &one, sizeof one));
}

Result<void> StopSignal::check(std::string_view what) const {
    if (!is_raised()) return {};
    return fail(Errc::stopping, std::string(what) + ": not waited for: attestd stops");
}

StopSignal& process_stop() {
    static StopSignal signal;
    return signal;
}

}  // namespace attestd
