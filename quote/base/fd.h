// Fd: a file descriptor that is closed exactly once, and bounded reading and crash-safe writing of
// files.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

class Fd final {
 public:
    Fd() noexcept = default;
    explicit Fd(int fd) noexcept : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) reset(std::exchange(other.fd_, -1));
        return *this;
    }
    Fd(const Fd&) = delete;
    Fd& operator=(const Fd&) = delete;
    ~Fd() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void reset(int fd = -1) noexcept;

 private:
    int fd_ = -1;
};

/// The error for a failed system call: `what` in words, `errno_value` as errno gave it.
[[nodiscard]] tl::unexpected<Error> fail_errno(int errno_value, std::string_view what);

/// Opens with O_CLOEXEC. `what` names the thing in errors.
[[nodiscard]] Result<Fd> open_file(const std::filesystem::path& path, int flags, unsigned mode = 0);

/// The same relative to the open folder `dir`, never through a symbolic link at the last component.
[[nodiscard]] Result<Fd> open_at(const Fd& dir, const std::string& name, int flags,
                                 unsigned mode = 0);

/// Reads `fd` to its end, at most `max_len` bytes; Errc::too_large when there are more. Interrupted
/// reads are resumed.
[[nodiscard]] Result<Bytes> read_all(const Fd& fd, std::size_t max_len, std::string_view what);

/// The whole regular file (or FIFO) at `path`, at most `max_len` bytes.
[[nodiscard]] Result<Bytes> read_file(const std::filesystem::path& path, std::size_t max_len);

/// Writes all of `bytes`, resuming after interrupts and short writes.
[[nodiscard]] Result<void> write_all(const Fd& fd, ByteView bytes, std::string_view what);

/// Puts `bytes` under `name` in the open folder `dir` so that a reader at any instant, and after a
/// crash at any instant, finds the old content or the new one: temporary file, fsync, rename, fsync
/// of the folder. On return the content is on disk.
[[nodiscard]] Result<void> replace_file(const Fd& dir, const std::string& name, ByteView bytes,
                                        unsigned mode);

}  // namespace attestd
