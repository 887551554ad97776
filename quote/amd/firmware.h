// Guest firmware images (OVMF, SVSMs) and the metadata by which a hypervisor launches them
// (`spec/snp.md` section 12).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kPageLen = 4096;
inline constexpr std::size_t kMaxFirmwareLen = std::size_t{64} << 20;

enum class FirmwareSectionType : std::uint32_t {
    snp_sec_mem = 1,
    snp_secrets = 2,
    cpuid = 3,
    svsm_caa = 4,
    snp_kernel_hashes = 0x10,
};

struct FirmwareSection {
    std::uint32_t gpa, size;  ///< bytes; size is a multiple of 4096
    FirmwareSectionType type;
};

struct Firmware {
    ByteView image;                         ///< a multiple of 4096 bytes
    std::vector<FirmwareSection> sections;  ///< in file order
    std::optional<std::uint32_t>
        ap_entry;  ///< SEV-ES reset block: first instruction of further vCPUs
    std::optional<std::uint32_t> hash_table_gpa;  ///< where the kernel's hashes are put
    std::optional<std::uint32_t> svsm_entry;  ///< of an SVSM: its first instruction, from its start
};

/// Finds the metadata at the end of an image; views point into it. Errc::bad_length,
/// Errc::bad_value, Errc::truncated, Errc::unsupported_version.
[[nodiscard]] Result<Firmware> parse_firmware(ByteView image);

}  // namespace attestd
