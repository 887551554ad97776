// System: the few calls of the kernel that platforms make, so that a test can stand in for it.
//
// Nothing in quote/platform reaches a device, configfs, sysfs or the clock by another way. Errors
// are errno values: what one means depends on the call, and each platform has a table of it. There
// is no redirected root here: the real one (kernel_system.h) opens the paths that it is given.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

/// errno, as a failed call left it.
struct Errno {
    int value;
    friend bool operator==(const Errno&, const Errno&) = default;
};

/// What a call gave, or its errno.
template <class T>
using SysResult = tl::expected<T, Errno>;

[[nodiscard]] inline tl::unexpected<Errno> fail_sys(int value) {
    return tl::make_unexpected(Errno{value});
}

struct NodeInfo {
    bool is_character_device;
    bool is_directory;
    std::uint32_t uid;
    std::uint32_t permissions = 0;  ///< the lower twelve bits of st_mode
    bool is_regular = false;
};

class System {
 public:
    using Clock = std::chrono::steady_clock;

    virtual ~System() = default;

    /// open(2) and openat(2) with O_CLOEXEC and O_NOFOLLOW. The number is for close().
    [[nodiscard]] virtual SysResult<int> open(const std::string& path, int flags) = 0;
    [[nodiscard]] virtual SysResult<int> open_at(int dir, const std::string& name, int flags) = 0;
    virtual void close(int fd) noexcept = 0;

    /// One call each; 0 bytes read is the end.
    [[nodiscard]] virtual SysResult<std::size_t> read(int fd, std::span<std::uint8_t> into) = 0;
    [[nodiscard]] virtual SysResult<std::size_t> write(int fd, ByteView bytes) = 0;
    /// `block` is the structure that the command's number states the size of.
    [[nodiscard]] virtual SysResult<void> ioctl(int fd, std::uint32_t command,
                                                std::span<std::uint8_t> block) = 0;
    [[nodiscard]] virtual SysResult<NodeInfo> stat(int fd) = 0;
    /// flock(2), exclusive, until the file is closed; EWOULDBLOCK when another open file has it. A
    /// stand-in has it for itself.
    [[nodiscard]] virtual SysResult<void> try_lock(int /*fd*/) { return {}; }

    [[nodiscard]] virtual SysResult<void> mkdir_at(int dir, const std::string& name) = 0;
    [[nodiscard]] virtual SysResult<void> rmdir_at(int dir, const std::string& name) = 0;
    /// Names in an open folder without "." and "..", in no order.
    [[nodiscard]] virtual SysResult<std::vector<std::string>> list(int dir) = 0;

    [[nodiscard]] virtual std::uint32_t effective_uid() const noexcept = 0;
    [[nodiscard]] virtual Clock::time_point now() = 0;
    virtual void sleep_until(Clock::time_point when) = 0;
};

/// An open file of a System, closed exactly once. The System outlives it.
class SystemFile final {
 public:
    SystemFile() noexcept = default;
    SystemFile(System& system, int fd) noexcept : system_(&system), fd_(fd) {}
    SystemFile(SystemFile&& other) noexcept
        : system_(other.system_), fd_(std::exchange(other.fd_, -1)) {}
    SystemFile& operator=(SystemFile&& other) noexcept {
        if (this != &other) {
            reset();
            system_ = other.system_;
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    SystemFile(const SystemFile&) = delete;
    SystemFile& operator=(const SystemFile&) = delete;
    ~SystemFile() { reset(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    void reset() noexcept {
        if (fd_ >= 0) system_->close(std::exchange(fd_, -1));
    }

 private:
    System* system_ = nullptr;
    int fd_ = -1;
};

[[nodiscard]] SysResult<SystemFile> open_file(System& system, const std::string& path, int flags);
[[nodiscard]] SysResult<SystemFile> open_at(System& system, int dir, const std::string& name,
                                            int flags);

/// From the file's present position to its end, whatever stat says of its size. EFBIG when there
/// are more than `max_len` bytes.
[[nodiscard]] SysResult<Bytes> read_to_end(System& system, int fd, std::size_t max_len);

/// A whole small file; EFBIG when it is larger than `max_len`.
[[nodiscard]] SysResult<Bytes> read_path(System& system, const std::string& path,
                                         std::size_t max_len);

/// "EBUSY (Device or resource busy)", for errors.
[[nodiscard]] std::string errno_words(int value);

}  // namespace attestd
