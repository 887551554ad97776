#include "quote/azure/hcl_blob.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/amd/snp_report.h"
#include "quote/base/digest.h"
#include "quote/base/reader.h"
#include "quote/intel/tdreport.h"

namespace attestd {
namespace {

constexpr std::string_view kSignature = "HCLA";
constexpr std::uint32_t kMinHclVersion = 1, kMaxHclVersion = 2;
constexpr std::uint32_t kReportRequest = 2, kDataVersion = 1;
constexpr std::size_t kHeaderLen = 0x20, kDataHeaderLen = 20;
constexpr std::size_t kHardwareReportLen = 0x4a0;  // room for it: an SNP report fills it

// Takes a 32-bit field that can only have one value.
Result<std::uint32_t> only(Reader& in, std::uint32_t value, Errc code, std::string_view what) {
    const Reader before = in;
    ATTESTD_TRY(const std::uint32_t have, in.u32le(what));
    if (have == value) return have;
    return before.fail_here(code, what, fmt::format("{}, must be {}", have, value));
}

// Bytes 0x00 to 0x1f.
Result<void> parse_header(Reader& in, HclBlob& out) {
    ATTESTD_TRY(const ByteView signature, in.bytes(kSignature.size(), "hcl.signature"));
    if (as_text(signature) != kSignature)
        return fail(Errc::bad_value, "hcl.signature at byte 0: is not HCLA");
    ATTESTD_TRY(out.version, in.u32le("hcl.version"));
    if (out.version < kMinHclVersion || out.version > kMaxHclVersion) {
        return fail(Errc::unsupported_version,
                    fmt::format("hcl.version at byte 4: {}, known are 1 and 2", out.version));
    }
    ATTESTD_TRY(out.report_size, in.u32le("hcl.report_size"));
    ATTESTD_TRY(out.request_type,
                only(in, kReportRequest, Errc::unsupported_type, "hcl.request_type"));
    ATTESTD_CHECK(only(in, 0, Errc::bad_value, "hcl.status"));
    return in.zeros(12, "hcl.reserved");
}

Result<HclReportType> parse_report_type(Reader& in) {
    const Reader before = in;
    ATTESTD_TRY(const std::uint32_t type, in.u32le("hcl.report_type"));
    if (type == 2 || type == 4) return static_cast<HclReportType>(type);
    return before.fail_here(Errc::unsupported_type, "hcl.report_type",
                            fmt::format("{}, known are 2 (SNP) and 4 (TDX)", type));
}

Result<HclHash> parse_hash(Reader& in) {
    const Reader before = in;
    ATTESTD_TRY(const std::uint32_t hash, in.u32le("hcl.hash_type"));
    if (hash >= 1 && hash <= 3) return static_cast<HclHash>(hash);
    return before.fail_here(Errc::unsupported_type, "hcl.hash_type",
                            fmt::format("{}, known are 1 to 3 (SHA-256, SHA-384, SHA-512)", hash));
}

// The three lengths say the same thing in different words; each must agree with the real length.
Result<void> check_sizes(const HclBlob& blob, std::uint64_t variable_len, std::size_t blob_len) {
    const auto differs = [](std::string_view what, std::uint64_t have, std::uint64_t want) {
        return fail(Errc::bad_length, fmt::format("{}: {}, must be {}", what, have, want));
    };
    const std::uint64_t data_len = kDataHeaderLen + variable_len;
    if (blob.data_size != data_len) return differs("hcl.data_size", blob.data_size, data_len);
    const std::uint64_t used = kHeaderLen + kHardwareReportLen + data_len;
    if (blob.report_size != used) return differs("hcl.report_size", blob.report_size, used);
    if (used > blob_len) {
        return fail(Errc::truncated,
                    fmt::format("hcl.report_size: {} bytes, {} are there", used, blob_len));
    }
    return {};
}

// Bytes 0x4c0 to the end.
Result<void> parse_data(Reader& in, HclBlob& out, std::size_t blob_len) {
    ATTESTD_TRY(out.data_size, in.u32le("hcl.data_size"));
    ATTESTD_TRY(out.data_version,
                only(in, kDataVersion, Errc::unsupported_version, "hcl.data_version"));
    ATTESTD_TRY(out.report_type, parse_report_type(in));
    ATTESTD_TRY(out.hash, parse_hash(in));
    ATTESTD_TRY(const std::uint32_t variable_len, in.u32le("hcl.variable_data_size"));
    ATTESTD_CHECK(check_sizes(out, variable_len, blob_len));
    ATTESTD_TRY(out.runtime_data, in.bytes(variable_len, "hcl.runtime_data"));
    out.padding = in.remaining();
    return in.zeros(in.remaining(), "hcl.padding");
}

}  // namespace

ByteArray<64> HclBlob::bound_report_data() const {
    ByteArray<64> out{};
    const auto put = [&](const auto& digest) {
        std::copy(digest.begin(), digest.end(), out.begin());
    };
    switch (hash) {
        case HclHash::sha256:
            put(sha256(runtime_data));
            break;
        case HclHash::sha384:
            put(sha384(runtime_data));
            break;
        case HclHash::sha512:
            put(sha512(runtime_data));
            break;
    }
    return out;
}

Result<HclBlob> parse_hcl_blob(ByteView bytes) {
    if (bytes.size() > kMaxHclBlobLen) {
        return fail(Errc::too_large, fmt::format("HCL blob: {} bytes, at most {} are read",
                                                 bytes.size(), kMaxHclBlobLen));
    }
    HclBlob out{};
    Reader in(bytes);
    ATTESTD_CHECK(parse_header(in, out));
    ATTESTD_TRY(Reader report, in.sub(kHardwareReportLen, "hcl.hardware_report"));
    ATTESTD_CHECK(parse_data(in, out, bytes.size()));
    const std::size_t report_len =
        out.report_type == HclReportType::snp ? kSnpReportLen : kTdReportLen;
    ATTESTD_TRY(out.hardware_report, report.bytes(report_len, "hcl.hardware_report"));
    ATTESTD_CHECK(report.zeros(report.remaining(), "hcl.hardware_report padding"));
    return out;
}

bool looks_like_hcl_blob(ByteView bytes) noexcept {
    return bytes.size() >= kHeaderLen && as_text(bytes.first(kSignature.size())) == kSignature;
}

}  // namespace attestd
