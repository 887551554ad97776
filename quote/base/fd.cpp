#include "quote/base/fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace attestd {
namespace {

constexpr std::size_t kReadChunk = 16384;

Errc errc_of(int errno_value) noexcept {
    switch (errno_value) {
        case ENOENT:
        case ENOTDIR:
            return Errc::not_found;
        case EACCES:
        case EPERM:
        case ELOOP:
            return Errc::access_denied;
        case ENOSPC:
        case EDQUOT:
            return Errc::no_space;
        case ETIMEDOUT:
            return Errc::timed_out;
        case ECONNREFUSED:
        case ECONNRESET:
        case EPIPE:
            return Errc::unavailable;
        default:
            return Errc::io_failed;
    }
}

}  // namespace

void Fd::reset(int fd) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

tl::unexpected<Error> fail_errno(int errno_value, std::string_view what) {
    return fail(errc_of(errno_value),
                fmt::format("{}: {}", what, std::generic_category().message(errno_value)));
}

Result<Fd> open_file(const std::filesystem::path& path, int flags, unsigned mode) {
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) return fail_errno(errno, path.string());
    return fd;
}

Result<Fd> open_at(const Fd& dir, const std::string& name, int flags, unsigned mode) {
    Fd fd(::openat(dir.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!fd) return fail_errno(errno, name);
    return fd;
}

Result<Bytes> read_all(const Fd& fd, std::size_t max_len, std::string_view what) {
    Bytes out;
    for (;;) {
        const std::size_t have = out.size();
        // One byte more than allowed is asked for, so that a file of exactly max_len bytes passes.
        out.resize(have + std::min(kReadChunk - 1, max_len - have) + 1);
        const ssize_t n = ::read(fd.get(), out.data() + have, out.size() - have);
        const int error = errno;
        out.resize(have + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (n < 0 && error == EINTR) continue;
        if (n < 0) return fail_errno(error, what);
        if (n == 0) return out;
        if (out.size() > max_len) {
            return fail(Errc::too_large, fmt::format("{}: over {} bytes", what, max_len));
        }
    }
}

Result<Bytes> read_file(const std::filesystem::path& path, std::size_t max_len) {
    ATTESTD_TRY(const Fd fd, open_file(path, O_RDONLY));
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return fail_errno(errno, path.string());
    if (S_ISDIR(st.st_mode)) return fail(Errc::io_failed, path.string() + ": is a folder");
    return read_all(fd, max_len, path.string());
}

Result<void> write_all(const Fd& fd, ByteView bytes, std::string_view what) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, what);
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
}

Result<void> replace_file(const Fd& dir, const std::string& name, ByteView bytes, unsigned mode) {
    const std::string temporary = "." + name + ".new";
    const auto put = [&]() -> Result<void> {
        ::unlinkat(dir.get(), temporary.c_str(), 0);  // left by a crash; absent otherwise
        ATTESTD_TRY(const Fd fd, open_at(dir, temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
        ATTESTD_CHECK(write_all(fd, bytes, temporary));
        if (::fsync(fd.get()) != 0) return fail_errno(errno, temporary);
        if (::renameat(dir.get(), temporary.c_str(), dir.get(), name.c_str()) != 0) {
            return fail_errno(errno, name);
        }
        if (::fsync(dir.get()) != 0) return fail_errno(errno, "folder of " + name);
        return {};
    };
    auto done = put();
    if (!done) ::unlinkat(dir.get(), temporary.c_str(), 0);
    return done;
}

}  // namespace attestd
