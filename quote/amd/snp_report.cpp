#include "quote/amd/snp_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::uint32_t kMinVersion = 2, kMaxVersion = 5;
constexpr std::uint32_t kMaxVmpl = 3;
constexpr std::uint32_t kEcdsaP384Sha384 = 1;
constexpr std::uint64_t kPolicyReservedOne = std::uint64_t{1} << 17;
constexpr unsigned kPolicyFirstUndefined = 26;
constexpr std::size_t kComponentLen = 72;  // of r and s; 48 are used

tl::unexpected<Error> bad(Errc code, std::string_view what, std::size_t at, std::string_view why) {
    return fail(code, fmt::format("{} at byte 0x{:03x}: {}", what, at, why));
}

Result<void> parse_policy(Reader& in, SnpReport& r) {
    const std::size_t at = in.offset();
    ATTESTD_TRY(r.policy.bits, in.u64le("policy"));
    if ((r.policy.bits & kPolicyReservedOne) == 0)
        return bad(Errc::bad_value, "policy", at, "bit 17 must be one");
    // An undefined bit may grant the host something that nobody here knows of.
    if (r.policy.bits >> kPolicyFirstUndefined != 0) {
        return bad(Errc::bad_value, "policy", at,
                   fmt::format("0x{:x} has undefined bits", r.policy.bits));
    }
    return {};
}

Result<void> parse_key_info(Reader& in, SnpReport& r) {
    const std::size_t at = in.offset();
    ATTESTD_TRY(const std::uint32_t info, in.u32le("key_info"));
    if (info >> 5 != 0)
        return bad(Errc::reserved_not_zero, "key_info", at, "bits 31 to 5 must be zero");
    r.author_key_en = (info & 1) != 0;
    r.mask_chip_key = (info & 2) != 0;
    const auto key = static_cast<std::uint8_t>(info >> 2 & 7);
    if (key > 1 && key != 7)
        return bad(Errc::unsupported_type, "key_info.signing_key", at,
                   fmt::format("{} is reserved", key));
    r.signing_key = static_cast<SnpSigningKey>(key);
    return in.zeros(4, "reserved");
}

// 0x000 to 0x04f
Result<void> parse_head(Reader& in, SnpReport& r) {
    ATTESTD_TRY(r.version, in.u32le("version"));
    if (r.version < kMinVersion || r.version > kMaxVersion) {
        return bad(Errc::unsupported_version, "version", 0,
                   fmt::format("{}, known are 2 to 5", r.version));
    }
    ATTESTD_TRY(r.guest_svn, in.u32le("guest_svn"));
    ATTESTD_CHECK(parse_policy(in, r));
    ATTESTD_TRY(r.family_id, in.array<16>("family_id"));
    ATTESTD_TRY(r.image_id, in.array<16>("image_id"));
    ATTESTD_TRY(r.vmpl, in.u32le("vmpl"));
    if (r.vmpl > kMaxVmpl)
        return bad(Errc::bad_value, "vmpl", 0x30,
                   fmt::format("0x{:x}, a guest's is 0 to 3", r.vmpl));
    ATTESTD_TRY(r.signature_algo, in.u32le("signature_algo"));
    if (r.signature_algo != kEcdsaP384Sha384) {
        return bad(Errc::unsupported_type, "signature_algo", 0x34,
                   fmt::format("{}, only 1 (ECDSA P-384) is known", r.signature_algo));
    }
    ATTESTD_TRY(r.current_tcb, in.array<8>("current_tcb"));
    ATTESTD_TRY(r.platform_info, in.u64le("platform_info"));
    return parse_key_info(in, r);
}

// 0x050 to 0x17f
Result<void> parse_identity(Reader& in, SnpReport& r) {
    ATTESTD_TRY(r.report_data, in.array<64>("report_data"));
    ATTESTD_TRY(r.measurement, in.array<48>("measurement"));
    ATTESTD_TRY(r.host_data, in.array<32>("host_data"));
    ATTESTD_TRY(r.id_key_digest, in.array<48>("id_key_digest"));
    ATTESTD_TRY(r.author_key_digest, in.array<48>("author_key_digest"));
    ATTESTD_TRY(r.report_id, in.array<32>("report_id"));
    ATTESTD_TRY(r.report_id_ma, in.array<32>("report_id_ma"));
    return {};
}

Result<SnpVersion> parse_version(Reader& in, std::string_view what) {
    SnpVersion v;
    ATTESTD_TRY(v.build, in.u8(what));
    ATTESTD_TRY(v.minor, in.u8(what));
    ATTESTD_TRY(v.major, in.u8(what));
    ATTESTD_CHECK(in.zeros(1, "reserved"));
    return v;
}

// 0x180 to 0x29f
Result<void> parse_platform(Reader& in, SnpReport& r) {
    ATTESTD_TRY(r.reported_tcb, in.array<8>("reported_tcb"));
    if (r.names_product()) {
        ATTESTD_TRY(r.cpuid_family, in.u8("cpuid_fam_id"));
        ATTESTD_TRY(r.cpuid_model, in.u8("cpuid_mod_id"));
        ATTESTD_TRY(r.cpuid_stepping, in.u8("cpuid_step"));
        ATTESTD_CHECK(in.zeros(21, "reserved"));
        r.product = product_from_cpuid(r.cpuid_family, r.cpuid_model);
    } else {
        ATTESTD_CHECK(in.zeros(24, "reserved"));
    }
    ATTESTD_TRY(r.chip_id, in.array<64>("chip_id"));
    ATTESTD_TRY(r.committed_tcb, in.array<8>("committed_tcb"));
    ATTESTD_TRY(r.current_version, parse_version(in, "current_version"));
    ATTESTD_TRY(r.committed_version, parse_version(in, "committed_version"));
    ATTESTD_TRY(r.launch_tcb, in.array<8>("launch_tcb"));
    if (r.version < 5) return in.zeros(168, "reserved");
    ATTESTD_TRY(r.launch_mit_vector, in.u64le("launch_mit_vector"));
    ATTESTD_TRY(r.current_mit_vector, in.u64le("current_mit_vector"));
    return in.zeros(152, "reserved");
}

// One component: 72 bytes little-endian, of which P-384 uses 48.
Result<ByteArray<48>> parse_component(Reader& in, std::string_view what) {
    ATTESTD_TRY(ByteArray<48> value, in.array<48>(what));
    ATTESTD_CHECK(in.zeros(kComponentLen - 48, what));
    std::reverse(value.begin(), value.end());
    return value;
}

}  // namespace

Result<ParsedSnpReport> parse_snp_report(ByteView bytes) {
    if (bytes.size() != kSnpReportLen) {
        return fail(Errc::bad_length,
                    fmt::format("SNP report: {} bytes, must be {}", bytes.size(), kSnpReportLen));
    }
    ParsedSnpReport out{};
    Reader in(bytes);
    ATTESTD_CHECK(parse_head(in, out.report));
    ATTESTD_CHECK(parse_identity(in, out.report));
    ATTESTD_CHECK(parse_platform(in, out.report));
    out.signed_part = bytes.first(kSnpSignedLen);
    out.signature_zero = all_zero(bytes.subspan(kSnpSignedLen));
    ATTESTD_TRY(out.r, parse_component(in, "signature.r"));
    ATTESTD_TRY(out.s, parse_component(in, "signature.s"));
    ATTESTD_CHECK(in.zeros(in.remaining(), "signature.reserved"));
    return out;
}

bool looks_like_snp_report(ByteView bytes) noexcept {
    if (bytes.size() < 0x50) return false;
    const auto version = load_le<std::uint32_t>(bytes.first<4>());
    const auto algorithm = load_le<std::uint32_t>(bytes.subspan<0x34, 4>());
    return version >= 1 && version <= 16 && algorithm <= 1;
}

std::string SnpReport::format() const { return fmt::format("snp-report-v{}", version); }

}  // namespace attestd
