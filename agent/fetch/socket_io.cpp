#include "agent/fetch/socket_io.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace attestd::fetch {
namespace {

Result<void> wait_for(const Fd& socket, short events, Deadline deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
        if (left <= Millis::zero()) return fail(Errc::timed_out, "the client is too slow");
        pollfd one{socket.get(), events, 0};
        const int n = ::poll(&one, 1, static_cast<int>(left.count()));
        if (n > 0) return {};
        if (n < 0 && errno != EINTR) return fail_errno(errno, "the client's connection");
    }
}

}  // namespace

Result<std::size_t> receive_some(const Fd& socket, std::span<char> into, Deadline deadline) {
    for (;;) {
        ATTESTD_CHECK(wait_for(socket, POLLIN, deadline));
        const ssize_t n = ::recv(socket.get(), into.data(), into.size(), MSG_DONTWAIT);
        if (n >= 0) return static_cast<std::size_t>(n);
        if (errno != EAGAIN && errno != EINTR) return fail_errno(errno, "the client's connection");
    }
}

Result<void> send_all(const Fd& socket, ByteView bytes, Deadline deadline) {
    while (!bytes.empty()) {
        const ssize_t n =
            ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            ATTESTD_CHECK(wait_for(socket, POLLOUT, deadline));
        } else if (errno != EINTR) {
            return fail_errno(errno, "the client's connection");
        }
    }
    return {};
}

}  // namespace attestd::fetch
