#include "agent/fetch/vsock_destination.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "agent/fetch/socket_io.h"

namespace attestd::fetch {
namespace {

constexpr std::string_view kVsockScheme = "vsock://";
constexpr std::size_t kFrameLen = 4;  // the length before a message, most significant byte first
constexpr unsigned kVsockStatus = 200;

std::optional<std::uint32_t> whole_number(std::string_view text) noexcept {
    std::uint32_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
    // One form of each number: "04050" and "4050" are not two addresses.
    if (text.size() > 1 && text.front() == '0') return std::nullopt;
    return value;
}

tl::unexpected<Error> unreachable(const std::string& place, int error) {
    const char* mend = "; is the host's quote service running?";
    if (error == EAFNOSUPPORT || error == ENODEV)
        mend =
            "; modprobe vmw_vsock_virtio_transport, and the host must give the guest a vsock "
            "device";
    return fail(Errc::fetch_unreachable,
                fmt::format("{}: connecting: {}{}", place, std::strerror(error), mend));
}

// Until the connection stands or fails, or the deadline.
Result<void> wait_connected(const Fd& socket, const std::string& place, Deadline deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
        if (left <= Millis::zero())
            return fail(Errc::fetch_timed_out, place + ": connecting took too long");
        pollfd one{socket.get(), POLLOUT, 0};
        const int n = ::poll(&one, 1, static_cast<int>(left.count()));
        if (n < 0 && errno != EINTR) return unreachable(place, errno);
        if (n <= 0) continue;
        int error = 0;
        socklen_t len = sizeof error;
        if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
        if (error != 0) return unreachable(place, error);
        return {};
    }
}

Result<Fd> connect_vsock(const VsockAddress& address, const std::string& place, Deadline deadline) {
    Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.get() < 0) return unreachable(place, errno);
    sockaddr_vm to{};
    to.svm_family = AF_VSOCK;
    to.svm_cid = address.cid;
    to.svm_port = address.port;
    // lint: allow reinterpret_cast: sockaddr is how the kernel's interface spells it
    const int done = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
    if (done != 0 && errno != EINPROGRESS) return unreachable(place, errno);
    if (done != 0) ATTESTD_CHECK(wait_connected(socket, place, deadline));
    return socket;
}

tl::unexpected<Error> fail_exchange(const Error& error, const std::string& place,
                                    std::string_view step) {
    const std::string detail = fmt::format("{}: {}: ", place, step);
    if (error.code == Errc::timed_out)
        return fail(Errc::fetch_timed_out, detail + "the quote service is too slow");
    return fail(Errc::fetch_unreachable, detail + "the connection broke");
}

// Exactly `len` bytes: no end before them.
Result<Bytes> receive_exactly(const Fd& socket, std::size_t len, const std::string& place,
                              Deadline deadline) {
    constexpr std::size_t kAtOnce = 16384;  // memory follows what comes, not what was announced
    std::vector<char> buffer(std::min(len, kAtOnce));
    Bytes out;
    while (out.size() < len) {
        const auto into = std::span(buffer).first(std::min(buffer.size(), len - out.size()));
        const auto n = receive_some(socket, into, deadline);
        if (!n) return fail_exchange(n.error(), place, "reading the answer");
        if (*n == 0)
            return fail(Errc::fetch_truncated,
                        fmt::format("{}: reading the answer: it ends after {} of {} bytes", place,
                                    out.size(), len));
        const ByteView got = as_bytes({buffer.data(), *n});
        out.insert(out.end(), got.begin(), got.end());
    }
    return out;
}

}  // namespace

std::optional<VsockAddress> parse_vsock(std::string_view text) noexcept {
    if (!text.starts_with(kVsockScheme)) return std::nullopt;
    text.remove_prefix(kVsockScheme.size());
    if (text.ends_with('/')) text.remove_suffix(1);
    const std::size_t colon = text.find(':');
    if (colon == text.npos) return std::nullopt;
    const auto cid = whole_number(text.substr(0, colon)),
               port = whole_number(text.substr(colon + 1));
    // The hypervisor's own and "any" are nobody to talk to.
    if (!cid || !port || *cid == VMADDR_CID_HYPERVISOR || *cid == VMADDR_CID_ANY || *port == 0 ||
        *port == VMADDR_PORT_ANY) {
        return std::nullopt;
    }
    return VsockAddress{*cid, *port};
}

Result<Bytes> exchange_frames(const Fd& socket, ByteView message, std::size_t max_len,
                              const std::string& place, Deadline deadline) {
    Bytes frame;
    for (unsigned shift = 32; shift != 0; shift -= 8)
        frame.push_back(static_cast<std::uint8_t>(message.size() >> (shift - 8) & 0xff));
    frame.insert(frame.end(), message.begin(), message.end());
    if (const auto sent = send_all(socket, frame, deadline); !sent)
        return fail_exchange(sent.error(), place, "sending the request");
    ATTESTD_TRY(const Bytes head, receive_exactly(socket, kFrameLen, place, deadline));
    std::size_t len = 0;
    for (const std::uint8_t byte : head) len = len << 8 | byte;
    if (len == 0)
        return fail(Errc::fetch_protocol, place + ": reading the answer: it is a frame of nothing");
    if (len > max_len)
        return fail(Errc::fetch_too_large,
                    fmt::format("{}: reading the answer: {} bytes are announced, {} are the limit",
                                place, len, max_len));
    return receive_exactly(socket, len, place, deadline);
}

Result<ServerAnswer> fetch_over_vsock(const FetchConfig& config, const ProxyRequest& request) {
    const auto address = parse_vsock(request.url);
    if (!address)
        return fail(Errc::fetch_denied, fmt::format("URL {}: vsock://CID:PORT is expected, both "
                                                    "as plain decimal numbers",
                                                    printable(request.url)));
    const std::string place = fmt::format("vsock://{}:{}", address->cid, address->port);
    if (std::find(config.vsock.begin(), config.vsock.end(), *address) == config.vsock.end())
        return fail(Errc::fetch_denied,
                    fmt::format("{}: is not listed; add \"{}\" to \"hosts\" in attestd-fetch's "
                                "configuration",
                                place, place));
    if (request.method != "POST" || request.body.empty())
        return fail(Errc::fetch_denied, place + ": a POST with a message is expected");
    if (request.body.size() > kMaxVsockFrame)
        return fail(Errc::fetch_denied,
                    fmt::format("{}: {} bytes are no message for a quote service", place,
                                request.body.size()));
    const Millis timeout = request.timeout > Millis::zero()
                               ? std::min(request.timeout, config.timeout)
                               : config.timeout;
    const std::size_t max_len =
        std::min({request.max_body_len != 0 ? request.max_body_len : kMaxVsockFrame,
                  config.max_body_len, kMaxVsockFrame});
    const Deadline now = std::chrono::steady_clock::now(), deadline = now + timeout;
    ATTESTD_TRY(const Fd socket,
                connect_vsock(*address, place, now + std::min(timeout, config.connect_timeout)));
    ATTESTD_TRY(Bytes answer, exchange_frames(socket, request.body, max_len, place, deadline));
    return ServerAnswer{
        kVsockStatus, {{"Content-Type", "application/octet-stream"}}, std::move(answer)};
}

}  // namespace attestd::fetch
