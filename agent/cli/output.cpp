#include "agent/cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

// A descriptor that is not ours to close, for the time of one call.
class Borrowed {
 public:
    explicit Borrowed(int fd) noexcept : fd_(fd) {}
    ~Borrowed() { static_cast<void>(fd_.release()); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    [[nodiscard]] const Fd& get() const noexcept { return fd_; }

 private:
    Fd fd_;
};

void complain(const std::string& line) {
    const Borrowed err(STDERR_FILENO);
    // There is nowhere left to say that this failed.
    static_cast<void>(write_all(err.get(), as_bytes(line), "standard error"));
}

}  // namespace

void print_error(std::string_view step, const Error& error) {
    complain(
        fmt::format("error: {}: {} ({})\n", step, printable(error.detail), errc_name(error.code)));
}

void print_warning(std::string_view text) {
    complain(fmt::format("warning: {}\n", printable(text)));
}

Result<void> print(ByteView bytes) {
    const Borrowed out(STDOUT_FILENO);
    return write_all(out.get(), bytes, "standard output");
}

bool output_is_terminal() noexcept { return ::isatty(STDOUT_FILENO) == 1; }

std::string printable(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c >= ' ' && c <= '~') {
            out += c;
        } else {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

Result<void> write_file(const std::filesystem::path& path, ByteView bytes, unsigned mode) {
    const auto parent = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    ATTESTD_TRY(const Fd dir, open_file(parent, O_RDONLY | O_DIRECTORY));
    return replace_file(dir, path.filename().string(), bytes, mode);
}

Result<void> write_new_file(const std::filesystem::path& path, ByteView bytes, unsigned mode) {
    ATTESTD_TRY(const Fd fd, open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    ATTESTD_CHECK(write_all(fd, bytes, path.string()));
    if (::fsync(fd.get()) != 0) return fail_errno(errno, path.string());
    return {};
}

}  // namespace attestd::cli
