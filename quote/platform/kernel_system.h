// KernelSystem: System as the running kernel gives it, at the paths that it is given.
#pragma once

#include "quote/platform/system.h"

namespace attestd {

class KernelSystem final : public System {
 public:
    [[nodiscard]] SysResult<int> open(const std::string& path, int flags) override;
    [[nodiscard]] SysResult<int> open_at(int dir, const std::string& name, int flags) override;
    void close(int fd) noexcept override;
    [[nodiscard]] SysResult<std::size_t> read(int fd, std::span<std::uint8_t> into) override;
    [[nodiscard]] SysResult<std::size_t> write(int fd, ByteView bytes) override;
    [[nodiscard]] SysResult<void> ioctl(int fd, std::uint32_t command,
                                        std::span<std::uint8_t> block) override;
    [[nodiscard]] SysResult<NodeInfo> stat(int fd) override;
    [[nodiscard]] SysResult<void> try_lock(int fd) override;
    [[nodiscard]] SysResult<void> mkdir_at(int dir, const std::string& name) override;
    [[nodiscard]] SysResult<void> rmdir_at(int dir, const std::string& name) override;
    [[nodiscard]] SysResult<std::vector<std::string>> list(int dir) override;
    [[nodiscard]] std::uint32_t effective_uid() const noexcept override;
    [[nodiscard]] Clock::time_point now() override;
    void sleep_until(Clock::time_point when) override;
};

}  // namespace attestd
