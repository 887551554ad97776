#include "tests/bench/load_client.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "tests/bench/unix_socket.h"

namespace attestd::bench {
namespace {

constexpr std::string_view kLength = "Content-Length: ";
constexpr int kStallMs = 10000;  // no answer for so long: the server is stuck

}  // namespace

std::int64_t monotonic_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::int64_t percentile(std::vector<std::int64_t>& values, double part) {
    if (values.empty()) return 0;
    const auto at = static_cast<std::size_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at),
                     values.end());
    return values[at];
}

Result<bool> whole_answer(std::string_view received) {
    const auto end = received.find("\r\n\r\n");
    if (end == received.npos) return false;
    const std::string_view head = received.substr(0, end);
    if (!head.starts_with("HTTP/1.1 200 ")) {
        return fail(Errc::protocol, "answered " + std::string(head.substr(0, head.find('\r'))));
    }
    const auto at = head.find(kLength);
    std::size_t len = 0;
    if (at == head.npos ||
        std::from_chars(head.data() + at + kLength.size(), head.data() + head.size(), len).ec !=
            std::errc{}) {
        return fail(Errc::protocol, "an answer without a length");
    }
    if (received.size() > end + 4 + len) return fail(Errc::protocol, "more than one answer");
    return received.size() == end + 4 + len;
}

Result<LoadClient> LoadClient::connect(const std::filesystem::path& path, int num_connections,
                                       std::string request) {
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return fail_errno(errno, "epoll");
    LoadClient client(std::move(epoll), std::move(request));
    for (int i = 0; i < num_connections; ++i) {
        ATTESTD_TRY(Fd fd, connect_to(path));
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u32 = static_cast<std::uint32_t>(i);
        if (::epoll_ctl(client.epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) != 0) {
            return fail_errno(errno, "epoll");
        }
        client.connections_.push_back(Connection{std::move(fd), {}, 0});
    }
    return client;
}

Result<void> LoadClient::send(Connection& connection) const {
    connection.received.clear();
    connection.sent_at_ns = monotonic_ns();
    return write_all(connection.fd, as_bytes(request_), "request");
}

// True when the answer is there in whole.
Result<bool> LoadClient::receive(Connection& connection) const {
    std::array<char, 8192> buffer;
    const ssize_t n = ::read(connection.fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) return false;
    if (n < 0) return fail_errno(errno, "answer");
    if (n == 0) return fail(Errc::protocol, "the connection was closed");
    connection.received.append(buffer.data(), static_cast<std::size_t>(n));
    return whole_answer(connection.received);
}

Result<void> LoadClient::run(std::int64_t num_requests, std::vector<std::int64_t>& latencies_ns) {
    std::int64_t to_send = num_requests, to_come = num_requests;
    for (Connection& connection : connections_) {
        if (to_send == 0) break;
        ATTESTD_CHECK(send(connection));
        --to_send;
    }
    std::array<epoll_event, 64> events{};
    while (to_come > 0) {
        const int n =
            ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), kStallMs);
        if (n == 0) return fail(Errc::timed_out, "no answer in 10 s");
        for (int i = 0; i < n; ++i) {
            Connection& connection = connections_.at(events[static_cast<std::size_t>(i)].data.u32);
            ATTESTD_TRY(const bool whole, receive(connection));
            if (!whole) continue;
            latencies_ns.push_back(monotonic_ns() - connection.sent_at_ns);
            --to_come;
            if (to_send == 0) continue;
            ATTESTD_CHECK(send(connection));
            --to_send;
        }
    }
    return {};
}

Result<std::int64_t> request_once(const std::filesystem::path& path, const std::string& request) {
    const std::int64_t from = monotonic_ns();
    ATTESTD_TRY(const Fd fd, connect_to(path));
    ATTESTD_CHECK(write_all(fd, as_bytes(request), "request"));
    std::string received;
    std::array<char, 8192> buffer;
    for (;;) {
        const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "answer");
        if (n == 0) return fail(Errc::protocol, "the connection was closed");
        received.append(buffer.data(), static_cast<std::size_t>(n));
        ATTESTD_TRY(const bool whole, whole_answer(received));
        if (whole) return monotonic_ns() - from;
    }
}

}  // namespace attestd::bench
