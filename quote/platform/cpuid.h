// What a processor says of itself: CPUID, injectable. A hint only: the host answers it.
#pragma once

#include <cstdint>
#include <functional>

namespace attestd {

struct CpuidRegisters {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// The registers of a leaf, subleaf 0. A leaf above what the processor has may hold anything: the
/// reader asks for the maximum first (leaves 0, 0x40000000, 0x80000000).
using Cpuid = std::function<CpuidRegisters(std::uint32_t leaf)>;

}  // namespace attestd
