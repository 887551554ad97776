// StopSignal: ends all waits for services at once, so that none of them holds up the process' stop.
//
// Raised once, on one thread; read on all. What waits in poll() waits for its descriptor as well.
#pragma once

#include <atomic>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd {

class StopSignal final {
 public:
    /// Without a descriptor to be had it still is raised, and seen between two waits.
    StopSignal();

    void raise() noexcept;
    [[nodiscard]] bool is_raised() const noexcept {
        return is_raised_.load(std::memory_order_acquire);
    }
    /// Errc::stopping, with `what` in its words, once it is raised.
    [[nodiscard]] Result<void> check(std::string_view what) const;
    /// Can be read once it is raised; -1 when there is none.
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
    Fd fd_;
    std::atomic<bool> is_raised_ = false;
};

/// This process' own: the daemon raises it first of all when it stops.
[[nodiscard]] StopSignal& process_stop();

}  // namespace attestd
