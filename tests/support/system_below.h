// A System whose paths lie below a folder: real files, links and modes, and the kernel's own calls.
#pragma once

#include "quote/platform/kernel_system.h"

namespace attestd::test {

class SystemBelow : public System {
 public:
    explicit SystemBelow(std::string root) : root_(std::move(root)) {}

    SysResult<int> open(const std::string& path, int flags) override {
        return kernel_.open(root_ + path, flags);
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
    SysResult<NodeInfo> stat(int fd) override { return kernel_.stat(fd); }
    SysResult<void> try_lock(int fd) override { return kernel_.try_lock(fd); }
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

 private:
    std::string root_;
    KernelSystem kernel_;
};

}  // namespace attestd::test
