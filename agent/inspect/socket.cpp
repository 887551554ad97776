#include "agent/inspect/socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "quote/base/unix_address.h"

namespace attestd::inspect {
namespace {

constexpr int kInspectBacklog = 1024;
constexpr std::size_t kMaxSentFds = 253;  // SCM_MAX_FD

Result<Fd> new_seqpacket() {
    Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "socket");
    return fd;
}

// A socket file without anybody behind it is what a crash leaves.
Result<void> remove_stale_socket(const std::string& path, const UnixAddress& address) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) return {};
    if (!S_ISSOCK(st.st_mode))
        return fail(Errc::bad_usage, path + ": something else than a socket is in the way");
    ATTESTD_TRY(const Fd probe, new_seqpacket());
    if (::connect(probe.get(), address.get(), address.len()) == 0 || errno == EAGAIN)
        return fail(Errc::too_busy, path + ": another process listens there");
    if (errno != ECONNREFUSED) return fail_errno(errno, path);
    if (::unlink(path.c_str()) != 0) return fail_errno(errno, path);
    return {};
}

int socket_option(const Fd& socket, int name) noexcept {
    int value = -1;
    socklen_t len = sizeof value;
    return ::getsockopt(socket.get(), SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

std::vector<Fd> descriptors_of(msghdr& message) {
    std::vector<Fd> out;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        std::array<int, kMaxSentFds> fds{};
        const std::size_t len = std::min(c->cmsg_len - CMSG_LEN(0), sizeof fds);
        // lint: allow memcpy: a control message's data is not aligned for its type
        std::memcpy(fds.data(), CMSG_DATA(c), len);
        for (std::size_t i = 0; i < len / sizeof(int); ++i) out.emplace_back(fds[i]);
    }
    return out;
}

}  // namespace

Result<uid_t> owner_of(const Fd& socket) {
    sockaddr_storage storage{};
    socklen_t len = sizeof storage;
    struct stat st {};
    const bool good = socket_option(socket, SO_DOMAIN) == AF_UNIX &&
                      socket_option(socket, SO_TYPE) == SOCK_SEQPACKET &&
                      socket_option(socket, SO_ACCEPTCONN) == 1;
    // lint: allow reinterpret_cast: sockaddr is how the kernel's interface spells it
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    if (!good || ::getsockname(socket.get(), address, &len) != 0 ||
        len <= offsetof(sockaddr_un, sun_path) || len > sizeof(sockaddr_un)) {
        return fail(Errc::wrong_type,
                    "a listening socket is expected, made with ListenSequentialPacket=");
    }
    // lint: allow reinterpret_cast: sockaddr_un is what a sockaddr of this family is
    const std::string path(reinterpret_cast<const sockaddr_un*>(&storage)->sun_path);
    if (path.empty() || ::lstat(path.c_str(), &st) != 0)
        return fail(Errc::wrong_type, "the socket that was passed has no file");
    return st.st_uid;
}

Result<SocketFile> SocketFile::bind(const std::string& path, std::optional<uid_t> owner) {
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(path));
    ATTESTD_CHECK(remove_stale_socket(path, address));
    SocketFile out;
    ATTESTD_TRY(out.socket_, new_seqpacket());
    const mode_t before = ::umask(0177);
    const int bound = ::bind(out.socket_.get(), address.get(), address.len());
    const int error = errno;
    ::umask(before);
    if (bound != 0) return fail_errno(error, path);
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) return fail_errno(errno, path);
    out.path_ = path;
    out.device_ = st.st_dev;
    out.inode_ = st.st_ino;
    if (owner && ::lchown(path.c_str(), *owner, static_cast<gid_t>(-1)) != 0)
        return fail_errno(errno, "owner of " + path);
    if (::listen(out.socket_.get(), kInspectBacklog) != 0) return fail_errno(errno, path);
    return out;
}

SocketFile::~SocketFile() {
    struct stat st {};
    const bool there = !path_.empty() && socket_ && ::lstat(path_.c_str(), &st) == 0;
    if (there && st.st_dev == device_ && st.st_ino == inode_) ::unlink(path_.c_str());
}

Result<std::optional<Fd>> accept_of(const Fd& listener, uid_t client) {
    Fd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) return std::nullopt;
    if (!fd) return fail_errno(errno, "accept");
    ucred cred{};
    socklen_t len = sizeof cred;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 || cred.uid != client)
        return std::nullopt;
    return fd;
}

Result<Received> receive_request(const Fd& connection) {
    std::array<std::uint8_t, kRequestLen + 1> bytes{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxSentFds * sizeof(int))> control{};
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t n = ::recvmsg(connection.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) return fail_errno(errno, "recvmsg");
    auto fds = descriptors_of(message);
    ATTESTD_TRY(const Request request,
                parse_request(ByteView(bytes).first(static_cast<std::size_t>(n))));
    if (fds.size() != 1) return fail(Errc::bad_value, "exactly one descriptor is expected");
    return Received{request, std::move(fds.front())};
}

bool send_message(const Fd& connection, ByteView bytes) noexcept {
    const ssize_t n =
        ::send(connection.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return n == static_cast<ssize_t>(bytes.size());
}

Result<Answer> receive_answer(const Fd& connection) {
    std::array<std::uint8_t, kMaxAnswerLen + 1> bytes{};
    const ssize_t n = ::recv(connection.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n < 0) return fail_errno(errno, "recv");
    return parse_answer(ByteView(bytes).first(static_cast<std::size_t>(n)));
}

}  // namespace attestd::inspect
