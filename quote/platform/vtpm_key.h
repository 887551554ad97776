// What a key that a vTPM derives is bound to.
#pragma once

#include <cstdint>
#include <string>

#include "quote/base/bytes.h"

namespace attestd {

/// Every PCR of a TPM, as a mask: PCR n is bit n.
inline constexpr std::uint32_t kAllVtpmPcrs = 0xffffff;

/// PCR 0 (firmware), 2 (its extensions), 4 (boot loader, unified kernel image), 7 (Secure Boot), 8
/// and 9 (what GRUB executed, kernel command line, initrd) and 12 (what systemd-stub took from
/// beside the image): what says which code boots. PCR 1, 3 and 5 change with the machine's size and
/// its partitions, 10, 11 and 13 upwards while the system runs.
inline constexpr std::uint32_t kDefaultVtpmPcrs =
    1U << 0 | 1U << 2 | 1U << 4 | 1U << 7 | 1U << 8 | 1U << 9 | 1U << 12;

struct VtpmKeyRequest {
    std::uint32_t pcrs = kDefaultVtpmPcrs;  ///< of the SHA-256 bank; at least one
    ByteArray<32> context{};                ///< another one gives another key; not secret
};

/// "0, 2, 4, 7".
[[nodiscard]] inline std::string pcr_list(std::uint32_t mask) {
    std::string out;
    for (unsigned pcr = 0; pcr < 24; ++pcr) {
        if ((mask >> pcr & 1) == 0) continue;
        if (!out.empty()) out += ", ";
        out += std::to_string(pcr);
    }
    return out;
}

}  // namespace attestd
