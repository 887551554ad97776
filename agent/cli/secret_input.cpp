#include "agent/cli/secret_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

// Reads to the end, or until `into` is full. How many bytes that were.
Result<std::size_t> fill_from(const Fd& fd, std::span<std::uint8_t> into, const std::string& what) {
    std::size_t have = 0;
    while (have < into.size()) {
        const ssize_t n = ::read(fd.get(), into.subspan(have).data(), into.size() - have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, what);
        if (n == 0) break;
        have += static_cast<std::size_t>(n);
    }
    return have;
}

Result<Fd> open_input(const std::string& path) {
    if (path != "-") return open_file(path, O_RDONLY);
    Fd fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) return fail_errno(errno, "standard input");
    return fd;
}

}  // namespace

Result<Secret> read_secret(const std::string& path, std::size_t max_len) {
    const std::string what = path == "-" ? "standard input" : path;
    ATTESTD_TRY(const Fd fd, open_input(path));
    // One byte more than allowed, so that a secret of exactly max_len bytes passes.
    ATTESTD_TRY(Secret secret, Secret::zeroed(max_len + 1));
    ATTESTD_TRY(const std::size_t len, secret.fill([&](std::span<std::uint8_t> into) {
        return fill_from(fd, into, what);
    }));
    if (len > max_len)
        return fail(Errc::secret_too_large, fmt::format("{}: over {} bytes", what, max_len));
    if (len == 0) return fail(Errc::bad_value, what + ": is empty; an empty secret is not stored");
    secret.truncate(len);
    return secret;
}

}  // namespace attestd::cli
