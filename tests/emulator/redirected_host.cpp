// The machine of attestd-test and attestctl-test: the kernel's calls below another root, which
// $ATTESTD_TEST_SYSROOT names. Linked in place of quote/platform/host.cpp and never installed: the
// product has no such switch.
#include <cstdlib>
#include <stdexcept>

#include "quote/platform/host.h"
#include "tests/support/system_below.h"

namespace attestd {
namespace {

class RedirectedSystem final : public test::SystemBelow {
 public:
    using SystemBelow::SystemBelow;

    // An emulated device is a regular file: the only check that is relaxed here.
    SysResult<NodeInfo> stat(int fd) override {
        auto info = SystemBelow::stat(fd);
        if (info) info->is_character_device = !info->is_directory;
        return info;
    }
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
