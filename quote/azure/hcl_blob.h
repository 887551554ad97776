// The blob that an Azure confidential VM's paravisor publishes (`spec/snp.md` section 13): a
// hardware report, and the runtime data that its REPORT_DATA binds.
//
// Parsing checks structure alone. Nothing is believed yet, and the runtime data is kept as the
// exact bytes that were hashed.
#pragma once

#include <cstdint>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

/// Genuine blobs are 2048 or 2600 bytes; a TPM's NV index could not hold as much as this.
inline constexpr std::size_t kMaxHclBlobLen = 16384;

enum class HclReportType : std::uint32_t { snp = 2, tdx = 4 };
enum class HclHash : std::uint32_t { sha256 = 1, sha384 = 2, sha512 = 3 };

/// "snp" or "tdx".
[[nodiscard]] constexpr std::string_view hcl_report_type_name(HclReportType type) noexcept {
    return type == HclReportType::snp ? "snp" : "tdx";
}
/// "sha256", "sha384" or "sha512".
[[nodiscard]] constexpr std::string_view hcl_hash_name(HclHash hash) noexcept {
    return hash == HclHash::sha256 ? "sha256" : hash == HclHash::sha384 ? "sha384" : "sha512";
}

struct HclBlob {
    std::uint32_t version;       ///< 1 or 2
    std::uint32_t report_size;   ///< bytes used, header included
    std::uint32_t request_type;  ///< 2
    std::uint32_t data_size;     ///< of the part behind the hardware report, its header included
    std::uint32_t data_version;  ///< 1
    HclReportType report_type;
    HclHash hash;
    ByteView hardware_report;  ///< an SNP report (1184 bytes) or a TDREPORT (1024 bytes)
    ByteView runtime_data;     ///< JSON, the exact bytes
    std::size_t padding;       ///< zero bytes that follow

    /// What REPORT_DATA must be: the runtime data's hash, then zeros.
    [[nodiscard]] ByteArray<64> bound_report_data() const;
};

/// Parses a blob; views point into `bytes`. Zero bytes may follow the data, others may not. Every
/// error names the field and its offset.
[[nodiscard]] Result<HclBlob> parse_hcl_blob(ByteView bytes);

/// Whether the bytes begin like a blob: for recognising.
[[nodiscard]] bool looks_like_hcl_blob(ByteView bytes) noexcept;

}  // namespace attestd
