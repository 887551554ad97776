#include "quote/intel/pck_extension.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace attestd {
namespace {

// 1.2.840.113741.1.13.1
constexpr std::array<std::uint8_t, 9> kArc{0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};

constexpr std::uint8_t kPpid = 1, kTcb = 2, kPceId = 3, kFmspc = 4, kSgxType = 5,
                       kPlatformInstanceId = 6, kConfiguration = 7;
constexpr std::uint8_t kPceSvn = 17, kCpuSvn = 18;
constexpr std::uint8_t kDynamicPlatform = 1, kCachedKeys = 2, kSmtEnabled = 3;

tl::unexpected<Error> bad(std::string_view why) {
    return fail(Errc::chain_extension,
                fmt::format("SGX extension of the PCK certificate: {}", why));
}

template <std::size_t N>
Result<void> octets(DerReader& in, ByteArray<N>& out, std::string_view what) {
    ATTESTD_TRY(const ByteView bytes, in.octet_string(what));
    if (bytes.size() != N)
        return bad(fmt::format("{} has {} bytes, must have {}", what, bytes.size(), N));
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return {};
}

// Walks SEQUENCE OF SEQUENCE { OID = prefix.n, value } and hands each n once, at most kMax, to
// `take`, with a reader of the value. Returns the set of numbers seen, bit n for n.
template <class Take>
Result<std::uint32_t> each_pair(DerReader list, ByteView prefix, std::uint8_t max, Take take) {
    std::uint32_t seen = 0;
    while (!list.at_end()) {
        ATTESTD_TRY(DerReader pair, list.sequence("pair"));
        ATTESTD_TRY(const ByteView oid, pair.oid("pair.oid"));
        if (oid.size() != prefix.size() + 1 || !equal(oid.first(prefix.size()), prefix))
            return bad("foreign OID");
        const std::uint8_t n = oid.back();
        if (n == 0 || n > max) return bad(fmt::format("unknown part .{}", n));
        if ((seen >> n & 1) != 0) return bad(fmt::format("part .{} stands there twice", n));
        seen |= 1u << n;
        ATTESTD_CHECK(take(n, pair));
        ATTESTD_CHECK(pair.finish("pair"));
    }
    return seen;
}

constexpr std::uint32_t bits(std::uint8_t first, std::uint8_t last) noexcept {
    std::uint32_t out = 0;
    for (unsigned n = first; n <= last; ++n) out |= 1u << n;
    return out;
}

Result<void> parse_tcb(DerReader list, PckExtension& out) {
    std::array<std::uint8_t, kArc.size() + 1> prefix{};
    std::copy(kArc.begin(), kArc.end(), prefix.begin());
    prefix.back() = kTcb;
    ATTESTD_TRY(
        const std::uint32_t seen,
        each_pair(list, prefix, kCpuSvn, [&](std::uint8_t n, DerReader& value) -> Result<void> {
            if (n == kCpuSvn) return octets(value, out.cpu_svn, "CPUSVN");
            const std::uint32_t max = n == kPceSvn ? 0xffff : 0xff;
            ATTESTD_TRY(const std::uint32_t svn,
                        value.small_integer(max, n == kPceSvn ? "PCESVN" : "TCB component"));
            if (n == kPceSvn)
                out.pce_svn = static_cast<std::uint16_t>(svn);
            else
                out.tcb_components[n - 1u] = static_cast<std::uint8_t>(svn);
            return {};
        }));
    if (seen != bits(1, kCpuSvn)) return bad("the TCB does not have all its 18 parts");
    return {};
}

Result<void> parse_configuration(DerReader list, PckExtension& out) {
    std::array<std::uint8_t, kArc.size() + 1> prefix{};
    std::copy(kArc.begin(), kArc.end(), prefix.begin());
    prefix.back() = kConfiguration;
    ATTESTD_CHECK(
        each_pair(list, prefix, kSmtEnabled, [&](std::uint8_t n, DerReader& value) -> Result<void> {
            ATTESTD_TRY(const bool flag, value.boolean("Configuration"));
            (n == kDynamicPlatform ? out.dynamic_platform
             : n == kCachedKeys    ? out.cached_keys
                                   : out.smt_enabled) = flag;
            return {};
        }));
    return {};
}

Result<void> parse_part(std::uint8_t n, DerReader& value, PckExtension& out) {
    switch (n) {
        case kPpid:
            return octets(value, out.ppid, "PPID");
        case kPceId:
            return octets(value, out.pce_id, "PCEID");
        case kFmspc:
            return octets(value, out.fmspc, "FMSPC");
        case kPlatformInstanceId:
            return octets(value, out.platform_instance_id.emplace(), "PlatformInstanceID");
        case kSgxType: {
            ATTESTD_TRY(const std::uint32_t type,
                        value.small_integer(2, "SGXType", der::kEnumerated));
            out.sgx_type = static_cast<SgxType>(type);
            return {};
        }
        case kTcb: {
            ATTESTD_TRY(DerReader list, value.sequence("TCB"));
            return parse_tcb(list, out);
        }
        default: {
            ATTESTD_TRY(DerReader list, value.sequence("Configuration"));
            return parse_configuration(list, out);
        }
    }
}

Result<PckExtension> parse_value(ByteView value) {
    PckExtension out{};
    DerReader outer(value);
    ATTESTD_TRY(DerReader list, outer.sequence("SGX extension"));
    ATTESTD_CHECK(outer.finish("SGX extension"));
    ATTESTD_TRY(const std::uint32_t seen,
                each_pair(list, kArc, kConfiguration, [&](std::uint8_t n, DerReader& part) {
                    return parse_part(n, part, out);
                }));
    // Five parts from the processor CA; the platform CA adds two.
    if (seen != bits(kPpid, kSgxType) && seen != bits(kPpid, kConfiguration))
        return bad("a part is missing");
    return out;
}

}  // namespace

Result<std::optional<PckExtension>> parse_pck_extension(const Certificate& certificate) {
    for (const CertificateExtension& extension : certificate.extensions()) {
        if (!equal(extension.oid, kArc)) continue;
        auto parsed = parse_value(extension.value);
        // However it is malformed, the caller is told that it is this extension.
        if (!parsed) return fail(Errc::chain_extension, parsed.error().detail);
        return *std::move(parsed);
    }
    return std::nullopt;
}

}  // namespace attestd
