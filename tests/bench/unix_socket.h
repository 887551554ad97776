// Stream sockets on a path, for the load generator and the floor server.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "quote/base/fd.h"
#include "quote/base/unix_address.h"

namespace attestd::bench {

inline Result<Fd> listen_on(const std::filesystem::path& path) {
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(path.native()));
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd || ::bind(fd.get(), address.get(), address.len()) != 0 ||
        ::listen(fd.get(), 512) != 0) {
        return fail_errno(errno, path.string());
    }
    return fd;
}

/// A connected socket in blocking mode.
inline Result<Fd> connect_to(const std::filesystem::path& path) {
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(path.native()));
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), address.get(), address.len()) != 0) {
        return fail_errno(errno, path.string());
    }
    return fd;
}

}  // namespace attestd::bench
