#include "agent/cli/secret_input.h"

#include <fcntl.h>
#include <unistd.h>

#include "agent/sources/private_file.h"
#include "quote/base/fd.h"
#include "quote/platform/kernel_system.h"

namespace attestd::cli {
namespace {

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
    KernelSystem system;
    ATTESTD_TRY(Secret secret,
                read_into_secret(system, fd.get(), what, max_len, Errc::secret_too_large));
    if (secret.empty())
        return fail(Errc::bad_value, what + ": is empty; an empty secret is not stored");
    return secret;
}

}  // namespace attestd::cli
