// The product's machine: the running kernel and processor, with nothing redirected.
#include "quote/platform/host.h"

#include <cpuid.h>

#include "quote/platform/kernel_system.h"

namespace attestd {

System& host_system() {
    static KernelSystem system;
    return system;
}

Cpuid host_cpuid() {
    return [](std::uint32_t leaf) {
        CpuidRegisters out;
        __cpuid_count(leaf, 0, out.eax, out.ebx, out.ecx, out.edx);
        return out;
    };
}

std::string host_path(std::string_view path) { return std::string(path); }

}  // namespace attestd
