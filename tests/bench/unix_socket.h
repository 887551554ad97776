// Stream sockets on a path, for the load generator and the floor server.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "quote/base/fd.h"

namespace attestd::bench {

inline Result<sockaddr_un> socket_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) {
        return fail(Errc::bad_value, path.string() + ": too long for a socket's path");
    }
    std::memcpy(address.sun_path, path.c_str(), path.native().size());
    return address;
}

inline Result<Fd> listen_on(const std::filesystem::path& path) {
    ATTESTD_TRY(const sockaddr_un address, socket_address(path));
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(fd.get(), 512) != 0) {
        return fail_errno(errno, path.string());
    }
    return fd;
}

/// A connected socket in blocking mode.
inline Result<Fd> connect_to(const std::filesystem::path& path) {
    ATTESTD_TRY(const sockaddr_un address, socket_address(path));
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return fail_errno(errno, path.string());
    }
    return fd;
}

}  // namespace attestd::bench
