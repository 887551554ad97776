#include "agent/api/poller.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

namespace attestd {
namespace {

constexpr std::size_t kMaxAtOnce = 64;  // of all that is ready; the rest comes with the next turn

epoll_event epoll_event_of(std::uint32_t events, Watcher& watcher) noexcept {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &watcher;
    return event;
}

}  // namespace

Poller::Poller(Io& io) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), descriptor_(io) {
    error_code ignored;  // a set that could not be made refuses every add()
    if (epoll_) descriptor_.assign(epoll_.get(), ignored);
}

Poller::~Poller() {
    if (descriptor_.is_open()) descriptor_.release();
}

Result<void> Poller::add(int fd, std::uint32_t events, Watcher& watcher) {
    epoll_event event = epoll_event_of(events, watcher);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return fail_errno(errno, "epoll");
}

void Poller::change(int fd, std::uint32_t events, Watcher& watcher) noexcept {
    epoll_event event = epoll_event_of(events, watcher);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Poller::remove(int fd) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Task<void> Poller::wait() {
    co_await descriptor_.async_wait(decltype(descriptor_)::wait_read, asio::as_tuple(use_task));
}

std::size_t Poller::dispatch() {
    std::array<epoll_event, kMaxAtOnce> ready;
    const int n = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 0);
    const std::size_t count = n < 0 ? 0 : static_cast<std::size_t>(n);
    for (const epoll_event& event : std::span(ready).first(count)) {
        static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
    }
    return count;
}

void Poller::close() noexcept {
    error_code ignored;
    if (descriptor_.is_open()) descriptor_.cancel(ignored);
}

}  // namespace attestd
