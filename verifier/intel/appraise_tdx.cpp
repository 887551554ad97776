// Appraisal of TD claims (`spec/tdx.md` section 7).

#include <fmt/format.h>

#include "quote/base/reader.h"
#include "quote/intel/pck_extension.h"
#include "verifier/internal/appraisal.h"

namespace attestd {
namespace {

constexpr std::uint64_t bit(unsigned n) noexcept { return std::uint64_t{1} << n; }

// TDATTRIBUTES, as in Linux's asm/shared/tdx.h.
constexpr std::uint64_t kDebug = bit(0);
constexpr std::uint64_t kProfiling = bit(4) | bit(5) | bit(6);
constexpr std::uint64_t kServTdExt = bit(17);
constexpr std::uint64_t kSeptVeDisable = bit(28);
constexpr std::uint64_t kMigratable = bit(29);
constexpr std::uint64_t kHarmless = bit(16) | bit(27) | bit(30) | bit(31) | bit(62) | bit(63);
constexpr std::uint64_t kKnown =
    kDebug | kProfiling | kServTdExt | kSeptVeDisable | kMigratable | kHarmless;

constexpr std::uint64_t kXfamRequired = 0x3;
constexpr std::uint64_t kXfamAllowed = 0x0006dbe7;

void appraise_attributes(ResultBuilder& out, const TdxPolicy& policy, std::uint64_t attributes) {
    if ((attributes & kDebug) != 0 && !policy.allow_debug) {
        out.error("policy.debug",
                  "the TD is debuggable: the host can read its memory (TDATTRIBUTES.DEBUG)");
    }
    if ((attributes & kProfiling) != 0)
        out.error("policy.profiling",
                  "the TD can be profiled by the host (TDATTRIBUTES bits 4 to 6)");
    if ((attributes & ~kKnown) != 0) {
        out.error("policy.reserved-attributes",
                  fmt::format("TDATTRIBUTES has bits that are not known here: 0x{:x}",
                              attributes & ~kKnown));
    }
    if ((attributes & kServTdExt) != 0 &&
        policy.mrservicetd.kind == ReferenceValues<48>::Kind::unpinned) {
        out.error("policy.servtd-ext",
                  "TDATTRIBUTES.SERVTD_EXT is set and mrservicetd is not pinned");
    }
    if ((attributes & kSeptVeDisable) == 0 && policy.require_sept_ve_disable) {
        out.error(
            "policy.sept-ve-disable",
            "TDATTRIBUTES.SEPT_VE_DISABLE is not set (require_sept_ve_disable=false permits that)");
    }
    if ((attributes & kMigratable) != 0 && !policy.allow_migratable) {
        out.error("policy.migratable",
                  "the TD may be migrated to another machine (TDATTRIBUTES.MIGRATABLE)");
    }
    if (policy.td_attributes && (attributes & policy.td_attributes_mask) !=
                                    (*policy.td_attributes & policy.td_attributes_mask)) {
        out.error("policy.td-attributes",
                  fmt::format("TDATTRIBUTES is 0x{:x}, the policy pins 0x{:x}", attributes,
                              *policy.td_attributes));
    }
}

void appraise_xfam(ResultBuilder& out, const TdxPolicy& policy, std::uint64_t xfam) {
    if ((xfam & kXfamRequired) != kXfamRequired || (xfam & ~kXfamAllowed) != 0) {
        out.error(
            "policy.xfam",
            fmt::format("XFAM 0x{:x} lacks a bit that must be set or has one that is not known",
                        xfam));
    }
    if (policy.xfam && xfam != *policy.xfam) {
        out.error("policy.xfam-pin",
                  fmt::format("XFAM is 0x{:x}, the policy pins 0x{:x}", xfam, *policy.xfam));
    }
}

// Zero means that no service TD is bound; another value must be known.
void appraise_service_td(ResultBuilder& out, const TdxPolicy& policy, const TdReport& report) {
    if (!report.mr_service_td || all_zero(*report.mr_service_td)) return;
    const bool pinned = policy.mrservicetd.kind != ReferenceValues<48>::Kind::unpinned;
    if (pinned && policy.mrservicetd.allows(*report.mr_service_td)) return;
    out.error("mrservicetd.mismatch",
              fmt::format("MRSERVICETD is {}, which is neither zero nor pinned",
                          to_hex(*report.mr_service_td)));
}

void appraise_machine(ResultBuilder& out, const TdxPolicy& policy, const PckExtension& pck) {
    using Kind = ReferenceValues<16>::Kind;
    if (policy.ppid.kind != Kind::unpinned) appraise_reference(out, "ppid", policy.ppid, pck.ppid);
    if (policy.platform_instance_id.kind == Kind::unpinned) return;
    if (pck.platform_instance_id) {
        appraise_reference(out, "platform_instance_id", policy.platform_instance_id,
                           *pck.platform_instance_id);
    } else if (policy.platform_instance_id.kind == Kind::listed) {
        out.error("platform-instance-id.mismatch",
                  "the PCK certificate names no platform instance: it is none of those listed");
    }
}

}  // namespace

void appraise_tdx(ResultBuilder& out, const TdxPolicy& policy, const TdReport& report,
                  const PckExtension* pck) {
    appraise_attributes(out, policy, load_le<std::uint64_t>(report.td_attributes));
    appraise_xfam(out, policy, load_le<std::uint64_t>(report.xfam));
    appraise_service_td(out, policy, report);
    if (pck != nullptr) appraise_machine(out, policy, *pck);
    appraise_reference(out, "mrtd", policy.mrtd, report.mr_td);
    for (std::size_t i = 0; i < report.rtmr.size(); ++i) {
        appraise_reference(out, fmt::format("rtmr{}", i), policy.rtmr.at(i), report.rtmr.at(i));
    }
    appraise_reference(out, "mrseam", policy.mrseam, report.mr_seam);
    appraise_reference(out, "mrconfigid", policy.mrconfigid, report.mr_config_id);
    appraise_reference(out, "mrowner", policy.mrowner, report.mr_owner);
    appraise_reference(out, "mrownerconfig", policy.mrownerconfig, report.mr_owner_config);
}

}  // namespace attestd
