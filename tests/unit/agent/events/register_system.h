// A System with one register, RTMR3, which outlives the objects under test as it outlives a killed
// process.
#pragma once

#include <cerrno>
#include <functional>

#include "quote/base/digest.h"
#include "quote/platform/system.h"

namespace attestd::test {

class RegisterSystem final : public System {
 public:
    Sha384 rtmr3{};
    bool is_there = true;
    int num_extended = 0;
    /// Called around the extension; an errno from `before` stops it, one from `after` comes too
    /// late.
    std::function<int()> before = [] { return 0; }, after = [] { return 0; };
    std::function<int()> on_read = [] { return 0; };

    void extend(ByteView digest) { rtmr3 = sha384({ByteView(rtmr3), digest}); }

    SysResult<int> open(const std::string& path, int) override {
        constexpr std::string_view kFile =
            "/sys/devices/virtual/misc/tdx_guest/measurements/rtmr3:sha384";
        if (!is_there || path != kFile) return fail_sys(ENOENT);
        has_read_ = false;
        return 7;
    }
    void close(int) noexcept override {}
    SysResult<std::size_t> read(int, std::span<std::uint8_t> into) override {
        if (const int error = on_read(); error != 0) return fail_sys(error);
        if (std::exchange(has_read_, true)) return std::size_t{0};
        std::copy(rtmr3.begin(), rtmr3.end(), into.begin());
        return rtmr3.size();
    }
    SysResult<std::size_t> write(int, ByteView bytes) override {
        if (const int error = before(); error != 0) return fail_sys(error);
        extend(bytes);
        ++num_extended;
        if (const int error = after(); error != 0) return fail_sys(error);
        return bytes.size();
    }
    SysResult<int> open_at(int, const std::string&, int) override { return fail_sys(ENOSYS); }
    SysResult<void> ioctl(int, std::uint32_t, std::span<std::uint8_t>) override {
        return fail_sys(ENOTTY);
    }
    SysResult<NodeInfo> stat(int) override { return fail_sys(ENOSYS); }
    SysResult<void> mkdir_at(int, const std::string&) override { return fail_sys(ENOSYS); }
    SysResult<void> rmdir_at(int, const std::string&) override { return fail_sys(ENOSYS); }
    SysResult<std::vector<std::string>> list(int) override { return fail_sys(ENOSYS); }
    std::uint32_t effective_uid() const noexcept override { return 0; }
    Clock::time_point now() override { return Clock::time_point(); }
    void sleep_until(Clock::time_point) override {}

 private:
    bool has_read_ = false;
};

}  // namespace attestd::test
