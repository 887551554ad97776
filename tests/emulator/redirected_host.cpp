// The machine of attestd-test and attestctl-test: the kernel's calls below another root, which
// $ATTESTD_TEST_SYSROOT names. Linked in place of quote/platform/host.cpp and never installed: the
// product has no such switch.
#include <cstdlib>
#include <stdexcept>

#include "quote/platform/host.h"
#include "quote/platform/kernel_system.h"

namespace attestd {
namespace {

class RedirectedSystem final : public System {
 public:
    explicit RedirectedSystem(std::string root) : root_(std::move(root)) {}

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
    // An emulated device is a regular file: the only check that is relaxed here.
    SysResult<NodeInfo> stat(int fd) override {
        auto info = kernel_.stat(fd);
        if (info) info->is_character_device = !info->is_directory;
        return info;
    }
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

std::string sysroot() {
    const char* const root = std::getenv("ATTESTD_TEST_SYSROOT");
    if (root == nullptr || *root != '/')
        throw std::runtime_error("a test build: ATTESTD_TEST_SYSROOT names its root");
    return root;
}

}  // namespace

System& host_system() {
    static RedirectedSystem redirected{sysroot()};
    return redirected;
}

// What the real processor says has nothing to do with an emulated device.
Cpuid host_cpuid() {
    return [](std::uint32_t) { return CpuidRegisters{}; };
}

std::string host_path(std::string_view path) { return sysroot().append(path); }

}  // namespace attestd
