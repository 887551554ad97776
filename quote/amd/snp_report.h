// SEV-SNP attestation reports, versions 2 to 5 (`spec/snp.md` sections 1 to 5).
//
// Parsing checks length, version, reserved ranges and enumerations. Nothing is believed yet.
#pragma once

#include <optional>
#include <string>

#include "quote/amd/product.h"
#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kSnpReportLen = 1184;
inline constexpr std::size_t kSnpSignedLen = 0x2a0;

enum class SnpSigningKey : std::uint8_t { vcek = 0, vlek = 1, none = 7 };

[[nodiscard]] constexpr std::string_view signing_key_name(SnpSigningKey k) noexcept {
    return k == SnpSigningKey::vcek ? "VCEK" : k == SnpSigningKey::vlek ? "VLEK" : "NONE";
}

/// Guest policy (section 2).
struct SnpGuestPolicy {
    std::uint64_t bits = 0;

    [[nodiscard]] bool bit(unsigned n) const noexcept { return (bits >> n & 1) != 0; }
    [[nodiscard]] std::uint8_t abi_minor() const noexcept {
        return static_cast<std::uint8_t>(bits);
    }
    [[nodiscard]] std::uint8_t abi_major() const noexcept {
        return static_cast<std::uint8_t>(bits >> 8);
    }
    [[nodiscard]] bool smt() const noexcept { return bit(16); }
    [[nodiscard]] bool migrate_ma() const noexcept { return bit(18); }
    [[nodiscard]] bool debug() const noexcept { return bit(19); }
    [[nodiscard]] bool single_socket() const noexcept { return bit(20); }
    [[nodiscard]] bool cxl_allow() const noexcept { return bit(21); }
    [[nodiscard]] bool mem_aes_256_xts() const noexcept { return bit(22); }
    [[nodiscard]] bool rapl_dis() const noexcept { return bit(23); }
    [[nodiscard]] bool ciphertext_hiding_dram() const noexcept { return bit(24); }
    [[nodiscard]] bool page_swap_disable() const noexcept { return bit(25); }
};

/// Firmware version; compared as (major, minor), then build.
struct SnpVersion {
    std::uint8_t major = 0, minor = 0, build = 0;
    friend auto operator<=>(const SnpVersion&, const SnpVersion&) = default;
};

struct SnpReport {
    std::uint32_t version, guest_svn;
    SnpGuestPolicy policy;
    ByteArray<16> family_id, image_id;
    std::uint32_t vmpl, signature_algo;
    ByteArray<8> current_tcb, reported_tcb, committed_tcb, launch_tcb;  ///< layout: the product's
    std::uint64_t platform_info;
    bool author_key_en, mask_chip_key;
    SnpSigningKey signing_key;
    ByteArray<64> report_data;
    ByteArray<48> measurement;
    ByteArray<32> host_data;
    ByteArray<48> id_key_digest, author_key_digest;
    ByteArray<32> report_id, report_id_ma;
    std::uint8_t cpuid_family, cpuid_model, cpuid_stepping;  ///< version 3 and later, else zero
    ByteArray<64> chip_id;
    SnpVersion current_version, committed_version;
    std::uint64_t launch_mit_vector, current_mit_vector;  ///< version 5, else zero

    /// From CPUID in version 3 and later; what verification found out in version 2, empty before.
    std::optional<Product> product;

    /// Whether the report says which product made it (version 3 and later).
    [[nodiscard]] bool names_product() const noexcept { return version >= 3; }
    /// "snp-report-v3".
    [[nodiscard]] std::string format() const;
};

/// A report and the ranges of the input that its verification needs.
struct ParsedSnpReport {
    SnpReport report;
    ByteView signed_part;  ///< bytes 0 to 0x29f
    ByteArray<48> r, s;    ///< big-endian
    bool signature_zero;   ///< all 512 bytes are zero: a report that was not signed
};

/// Parses exactly 1184 bytes; views point into `bytes`. Every error names the field and its offset.
[[nodiscard]] Result<ParsedSnpReport> parse_snp_report(ByteView bytes);

/// Whether the bytes begin like a report (version 1 to 16, reserved areas plausible): for
/// recognising.
[[nodiscard]] bool looks_like_snp_report(ByteView bytes) noexcept;

}  // namespace attestd
