// A System whose root is a folder: real files, links and modes, below it.
#pragma once

#include "quote/platform/kernel_system.h"
#include "tests/support/temp_dir.h"

namespace attestd::test {

class RootedSystem final : public System {
 public:
    SysResult<int> open(const std::string& path, int flags) override {
        return kernel_.open(dir_.path().string() + path, flags);
    }
    SysResult<int> open_at(int dir, const std::string& name, int flags) override {
        return kernel_.open_at(dir, name, flags);
    }
    void close(int fd) noexcept override { kernel_.close(fd); }
    SysResult<std::size_t> read(int fd, std::span<std::uint8_t> into) override {
        return kernel_.read(fd, into);
    }
    SysResult<std::size_t> write(int fd, ByteView bytes) override {
        return kernel_.write(fd, bytes);
    }
    SysResult<void> ioctl(int fd, std::uint32_t command, std::span<std::uint8_t> block) override {
        return kernel_.ioctl(fd, command, block);
    }
    SysResult<NodeInfo> stat(int fd) override {
        auto info = kernel_.stat(fd);
        if (info) info->uid += uid_offset;
        return info;
    }
    SysResult<void> mkdir_at(int dir, const std::string& name) override {
        return kernel_.mkdir_at(dir, name);
    }
    SysResult<void> rmdir_at(int dir, const std::string& name) override {
        return kernel_.rmdir_at(dir, name);
    }
    SysResult<std::vector<std::string>> list(int dir) override { return kernel_.list(dir); }
    std::uint32_t effective_uid() const noexcept override { return kernel_.effective_uid(); }
    Clock::time_point now() override { return kernel_.now(); }
    void sleep_until(Clock::time_point when) override { kernel_.sleep_until(when); }

    const TempDir& dir() const noexcept { return dir_; }
    std::uint32_t uid_offset = 0;  // every file is another's

 private:
    TempDir dir_;
    KernelSystem kernel_;
};

// What an ordinary mount table and an ordinary command line look like.
inline const std::string kPlainMounts =
    "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
    "31 22 0:26 / /run rw,nosuid shared:5 - tmpfs tmpfs rw\n"
    "71 31 0:51 / /run/credentials/@system ro,relatime - ramfs ramfs rw\n";
inline const std::string kOwnMounts =
    kPlainMounts + "90 31 0:60 / /run/credentials rw,nosuid - tmpfs tmpfs rw,mode=755\n";
inline const std::string kOpenLine = "root=/dev/vda1 quiet\n";
inline const std::string kClosedLine = "root=/dev/vda1 systemd.import_credentials=no quiet\n";

}  // namespace attestd::test
