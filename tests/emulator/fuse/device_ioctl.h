// The emulated ioctls of /dev/sev-guest and /dev/tdx_guest (`spec/guest-interfaces.md` sections 3
// and 5, `spec/snp.md` section 8).
//
// FUSE copies the outer structure alone. What it points to is followed in the caller's memory,
// which takes the right to trace it: the same user and a dumpable process, or CAP_SYS_PTRACE.
#pragma once

#include <sys/types.h>

#include <span>

#include "tests/emulator/machine.h"

namespace attestd::devsim {

/// Who calls, and where the structure lies in its memory.
struct IoctlCaller {
    pid_t pid;
    std::uint64_t argument;
};

/// 0 or an errno; `block` is written in place, in the caller's memory too when the call fails,
/// because FUSE gives nothing back then. The machine is locked by the caller.
[[nodiscard]] int sev_ioctl(Machine& machine, std::uint32_t command, std::span<std::uint8_t> block,
                            const IoctlCaller& caller);
[[nodiscard]] int tdx_ioctl(Machine& machine, std::uint32_t command, std::span<std::uint8_t> block);

inline constexpr std::size_t kSevBlockLen = 32, kTdxBlockLen = 1088;

}  // namespace attestd::devsim
