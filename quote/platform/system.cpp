#include "quote/platform/system.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace attestd {
namespace {

constexpr std::size_t kReadChunk = 16384;

}  // namespace

SysResult<SystemFile> open_file(System& system, const std::string& path, int flags) {
    const auto fd = system.open(path, flags);
    if (!fd) return tl::make_unexpected(fd.error());
    return SystemFile(system, *fd);
}

SysResult<SystemFile> open_at(System& system, int dir, const std::string& name, int flags) {
    const auto fd = system.open_at(dir, name, flags);
    if (!fd) return tl::make_unexpected(fd.error());
    return SystemFile(system, *fd);
}

SysResult<Bytes> read_to_end(System& system, int fd, std::size_t max_len) {
    Bytes out;
    for (;;) {
        const std::size_t have = out.size();
        // One byte more than allowed is asked for, so that exactly max_len bytes pass.
        out.resize(have + std::min(kReadChunk - 1, max_len - have) + 1);
        const auto num_read = system.read(fd, std::span(out).subspan(have));
        if (!num_read) return tl::make_unexpected(num_read.error());
        out.resize(have + *num_read);
        if (*num_read == 0) return out;
        if (out.size() > max_len) return fail_sys(EFBIG);
    }
}

SysResult<Bytes> read_path(System& system, const std::string& path, std::size_t max_len) {
    const auto file = open_file(system, path, O_RDONLY);
    if (!file) return tl::make_unexpected(file.error());
    return read_to_end(system, file->get(), max_len);
}

std::string errno_words(int value) {
    const char* const name = ::strerrorname_np(value);
    return fmt::format("{} ({})", name == nullptr ? "errno " + std::to_string(value) : name,
                       std::generic_category().message(value));
}

}  // namespace attestd
