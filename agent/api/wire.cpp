#include "agent/api/wire.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "agent/api/connection_limits.h"

namespace attestd {
namespace {

tl::unexpected<Error> fail_broken(std::string_view why) {
    return fail(Errc::unavailable, std::string("the connection broke: ").append(why));
}

// Descriptors that nobody asked for are closed here, whatever else is wrong with the message.
void close_received(const cmsghdr& header) {
    std::array<int, kMaxReceivedFds> fds{};
    const std::size_t len = std::min(header.cmsg_len - CMSG_LEN(0), sizeof fds);
    // lint: allow memcpy: a control message's data is not aligned for its type
    std::memcpy(fds.data(), CMSG_DATA(&header), len);
    for (std::size_t i = 0; i < len / sizeof(int); ++i) const Fd closed_here(fds[i]);
}

std::optional<PeerCredentials> writer_of(msghdr& message) {
    std::optional<PeerCredentials> writer;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET) continue;
        if (c->cmsg_type == SCM_RIGHTS) close_received(*c);
        if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof(ucred))) {
            ucred cred{};
            // lint: allow memcpy: a control message's data is not aligned for its type
            std::memcpy(&cred, CMSG_DATA(c), sizeof cred);
            writer = PeerCredentials{cred.pid, cred.uid, cred.gid};
        }
    }
    return writer;
}

// -1 with errno, 0 at the end, else the number of bytes.
ssize_t receive_now(int fd, std::span<std::uint8_t> into, std::optional<PeerCredentials>& writer) {
    alignas(cmsghdr) std::array<char, kMaxControlLen> control;
    iovec part{into.data(), into.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n >= 0) writer = writer_of(message);
    return n;
}

ssize_t send_now(int fd, ByteView head, ByteView body, std::size_t done) {
    const std::size_t of_head = std::min(done, head.size());
    head = head.subspan(of_head);
    body = body.subspan(done - of_head);
    // sendmsg() only reads; its interface is older than const.
    std::array<iovec, 2> parts{iovec{const_cast<std::uint8_t*>(head.data()), head.size()},
                               iovec{const_cast<std::uint8_t*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

Result<std::optional<Received>> Wire::receive(std::span<std::uint8_t> into) {
    Received received;
    ssize_t n = 0;
    do {
        n = receive_now(socket_.get(), into, received.writer);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) return std::optional<Received>();
    if (n < 0) return fail_broken(std::strerror(errno));
    received.len = static_cast<std::size_t>(n);
    return received;
}

Result<std::size_t> Wire::send(ByteView head, ByteView body, std::size_t done) {
    while (done < head.size() + body.size()) {
        const ssize_t n = send_now(socket_.get(), head, body, done);
        if (n >= 0) {
            done += static_cast<std::size_t>(n);
        } else if (errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            return fail_broken(std::strerror(errno));
        }
    }
    return done;
}

Result<std::size_t> Wire::send(ByteView head, const Secret& body, std::size_t done) {
    return body.expose([&](ByteView bytes) { return send(head, bytes, done); });
}

}  // namespace attestd
