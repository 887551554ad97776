// SEV-SNP attestation reports of versions 2, 3 and 5, and certificate tables: `spec/snp.md`
// sections 1, 5 and 8.
#pragma once

#include <string_view>
#include <vector>

#include "tests/support/forge/amd_forge.h"

namespace attestd::forge {

inline constexpr std::size_t kReportLen = 0x4a0;
inline constexpr std::size_t kReportSignedLen = 0x2a0;

struct FirmwareVersion {
    std::uint8_t build = 0, minor = 0, major = 0;
};

/// SIGNING_KEY in the key information word.
enum class ReportKey : std::uint8_t { vcek = 0, vlek = 1, none = 7 };

/// The fields of a report. A version 2 report leaves the CPUID bytes out, versions below 5 the
/// mitigation vectors.
struct SnpFields {
    std::uint32_t version = 3;
    std::uint32_t guest_svn = 0;
    std::uint64_t policy = 0x30000;  ///< SMT allowed; bit 17 always; bit 19 is DEBUG
    ByteArray<16> family_id{};
    ByteArray<16> image_id{};
    std::uint32_t vmpl = 0;
    std::uint32_t signature_algo = 1;
    ByteArray<8> current_tcb{};
    std::uint64_t platform_info = 0x25;
    std::uint32_t key_info = 0;  ///< bit 0 AUTHOR_KEY_EN, 1 MASK_CHIP_KEY, 4:2 SIGNING_KEY
    ByteArray<64> report_data{};
    ByteArray<48> measurement = default_measurement();
    ByteArray<32> host_data{};
    ByteArray<48> id_key_digest{};
    ByteArray<48> author_key_digest{};
    ByteArray<32> report_id = default_report_id();
    ByteArray<32> report_id_ma = no_migration_agent();
    ByteArray<8> reported_tcb{};
    std::uint8_t cpuid_family = 0, cpuid_model = 0, cpuid_stepping = 0;
    ByteArray<64> chip_id{};
    ByteArray<8> committed_tcb{};
    FirmwareVersion current_version{29, 55, 1};
    FirmwareVersion committed_version{29, 55, 1};
    ByteArray<8> launch_tcb{};
    std::uint64_t launch_mit_vector = 0;
    std::uint64_t current_mit_vector = 0;

    void set_signing_key(ReportKey key) noexcept;
    /// Reported, committed, current and launch TCB alike.
    void set_tcbs(const SnpTcb& tcb, Product product);

    static ByteArray<48> default_measurement();
    static ByteArray<32> default_report_id();
    static ByteArray<32> no_migration_agent();  ///< all 0xff
};

/// Fields of a sound machine of the product, signed by its VCEK.
[[nodiscard]] SnpFields snp_fields(Product product, std::uint32_t version);

/// 1184 bytes whose signature field is zero.
[[nodiscard]] Bytes report_bytes(const SnpFields& fields);

/// Signs bytes 0 to 0x2a0 and puts the signature where it belongs: R and S little-endian in 72
/// bytes each. To be called again after a test changed a signed byte.
void sign_report(Bytes& report, const SigningKey& key);

/// A signed report.
[[nodiscard]] Bytes forge_report(const SnpFields& fields, const SigningKey& key);

/// GUIDs of certificate table entries, in the order in which their text reads.
namespace guid {
inline constexpr std::string_view kVcek = "63da758d-e664-4564-adc5-f4b93be8accd";
inline constexpr std::string_view kVlek = "a8074bc2-a25a-483e-aae6-39c045a0b8a1";
inline constexpr std::string_view kAsk = "4ab7b379-bbac-4fe4-a02f-05aef327c782";
inline constexpr std::string_view kArk = "c0b406a4-a803-4952-9743-3fb6014cd0ae";
inline constexpr std::string_view kCrl = "92f81bc3-5811-4d3d-97ff-d19f88dc67ea";
}  // namespace guid

struct TableEntry {
    std::string_view guid;
    Bytes content;  ///< DER or PEM
};

/// A certificate table: the header with its closing zero entry, then the contents, zero-padded to
/// `padded_len` when that is longer.
[[nodiscard]] Bytes certificate_table(const std::vector<TableEntry>& entries,
                                      std::size_t padded_len = 0);

}  // namespace attestd::forge
