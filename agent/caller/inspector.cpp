#include "agent/caller/inspector.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <cstring>

#include "quote/base/unix_address.h"

namespace attestd {
namespace {

using Channel = asio::posix::basic_stream_descriptor<Executor>;

constexpr auto kConnectRetry = std::chrono::milliseconds(5);

tl::unexpected<Error> fail_inspection(std::string_view step, std::string_view why) {
    return fail(
        Errc::inspect_failed,
        fmt::format("attestd-inspect: {}: {}; is attestd-inspect.socket active?", step, why));
}

tl::unexpected<Error> fail_inspection(std::string_view step, int error) {
    return fail_inspection(step, std::string_view(std::strerror(error)));
}

// 0, or errno; EAGAIN when too many others wait in the inspector's backlog.
int connect_now(const Fd& fd, const UnixAddress& address) noexcept {
    return ::connect(fd.get(), address.get(), address.len()) == 0 ? 0 : errno;
}

Result<void> send_request(const Fd& fd, const Fd& pidfd, const inspect::Request& request) {
    auto bytes = inspect::encode_request(request);
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int sent = pidfd.get();
    // lint: allow memcpy: a control message's data is not aligned for its type
    std::memcpy(CMSG_DATA(header), &sent, sizeof sent);
    if (::sendmsg(fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return {};
    return fail_inspection("asking", errno);
}

Result<inspect::Facts> facts_in(ByteView message) {
    const auto answer = inspect::parse_answer(message);
    if (!answer) return fail_inspection("its answer", to_string(answer.error()));
    switch (answer->outcome) {
        case inspect::Outcome::done:
            return answer->facts;
        case inspect::Outcome::exited:
            return fail(Errc::peer_exited, "the process that connected is gone");
        case inspect::Outcome::changed:
            return fail(Errc::peer_changed, "the caller executed something while it was inspected");
        case inspect::Outcome::foreign:
            return fail(Errc::peer_foreign_pidns,
                        "the caller's pid cannot be seen from attestd-inspect's namespace");
        case inspect::Outcome::failed:
            break;
    }
    return fail(Errc::inspect_failed,
                "attestd-inspect could not look at the caller, or it took too long");
}

Result<inspect::Facts> receive_facts(int fd) {
    std::array<std::uint8_t, inspect::kMaxAnswerLen + 1> bytes{};
    // No room for descriptors: what nobody asked for never arrives.
    const ssize_t n = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n < 0) return fail_inspection("its answer", errno);
    if (n == 0) return fail_inspection("its answer", "it hung up");
    return facts_in(ByteView(bytes).first(static_cast<std::size_t>(n)));
}

// Ends the wait on `channel` when the time is over.
void cancel_at(Timer& timer, const std::shared_ptr<Channel>& channel) {
    timer.async_wait([weak = std::weak_ptr<Channel>(channel)](error_code stopped) {
        const auto still_there = weak.lock();
        error_code ignored;
        if (!stopped && still_there) still_there->cancel(ignored);
    });
}

}  // namespace

Task<Result<inspect::Facts>> ask_inspector(std::filesystem::path socket, const Fd& pidfd,
                                           inspect::Request request,
                                           std::chrono::milliseconds timeout) {
    const auto deadline = Timer::clock_type::now() + timeout;
    if (!pidfd) co_return fail(Errc::inspect_failed, "without a pidfd no caller can be inspected");
    const auto address = UnixAddress::of_path(socket.native());
    if (!address) co_return tl::make_unexpected(address.error());
    Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) co_return fail_inspection("socket", errno);
    Timer timer(co_await asio::this_coro::executor);
    int error = connect_now(fd, *address);
    while (error == EAGAIN && Timer::clock_type::now() < deadline) {
        timer.expires_after(kConnectRetry);
        co_await wait_for(timer);
        error = connect_now(fd, *address);
    }
    if (error != 0) co_return fail_inspection(socket.native(), error);
    ATTESTD_CO_CHECK(send_request(fd, pidfd, request));

    const auto channel = std::make_shared<Channel>(timer.get_executor(), fd.release());
    timer.expires_at(deadline);
    cancel_at(timer, channel);
    const auto [late] = co_await channel->async_wait(Channel::wait_read, asio::as_tuple(use_task));
    timer.cancel();
    if (late) co_return fail_inspection("its answer", "none in time");
    co_return receive_facts(channel->native_handle());
}

}  // namespace attestd
