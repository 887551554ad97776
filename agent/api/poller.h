// Poller: all sockets of the callers in one epoll set, on the event loop's thread.
//
// The loop is told once for everything that is ready, instead of once for each descriptor: a
// request then costs what it costs the kernel, and all that is ready together is answered together.
#pragma once

#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstdint>

#include "agent/task.h"
#include "quote/base/fd.h"

namespace attestd {

/// Is told when its descriptor is ready. It may end itself or others within the call, but nobody
/// who was added to the poller is destroyed before dispatch() has returned.
class Watcher {
 public:
    /// `events` as epoll_wait(2) gives them.
    virtual void on_ready(std::uint32_t events) = 0;

 protected:
    ~Watcher() = default;
};

class Poller final {
 public:
    explicit Poller(Io& io);
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    /// Tells `watcher` of `events` (EPOLLIN, EPOLLOUT; hanging up is always told) while they last.
    /// Errc::io_failed: the kernel has no room for one more.
    [[nodiscard]] Result<void> add(int fd, std::uint32_t events, Watcher& watcher);
    void change(int fd, std::uint32_t events, Watcher& watcher) noexcept;
    /// Before the descriptor is closed.
    void remove(int fd) noexcept;

    /// Returns when something is ready, or after close().
    [[nodiscard]] Task<void> wait();
    /// Tells those whose descriptors are ready now, a bounded number of them; how many.
    std::size_t dispatch();
    void close() noexcept;

 private:
    Fd epoll_;
    asio::posix::basic_stream_descriptor<Executor> descriptor_;  // borrows epoll_
};

}  // namespace attestd
