// Appraisal of SNP claims (`spec/snp.md` section 11).

#include <fmt/format.h>

#include <algorithm>

#include "verifier/internal/appraisal.h"

namespace attestd {
namespace {

constexpr std::uint64_t kPlatformSmt = 1;
constexpr std::uint64_t kPlatformKnown =
    0xbf;  // bit 6 is undocumented and set on every Turin machine seen

void appraise_guest_policy(ResultBuilder& out, const SnpPolicy& policy, const SnpReport& report) {
    const SnpGuestPolicy& guest = report.policy;
    struct Rule {
        bool violated;
        std::string_view id;
        std::string_view why;
    };
    const auto abi = std::pair{guest.abi_major(), guest.abi_minor()};
    const auto min_abi = std::pair{policy.min_abi_major, policy.min_abi_minor};
    const Rule rules[] = {
        {guest.debug() && !policy.allow_debug, "policy.debug",
         "the guest is debuggable: the host can decrypt its memory (POLICY bit 19)"},
        {guest.migrate_ma() && !policy.allow_migration_agent, "policy.migrate-ma",
         "a migration agent may move the guest (POLICY bit 18)"},
        {!policy.allow_migration_agent &&
             !std::all_of(report.report_id_ma.begin(), report.report_id_ma.end(),
                          [](auto b) { return b == 0xff; }),
         "policy.report-id-ma", "REPORT_ID_MA names a migration agent"},
        {!policy.allow_smt && (guest.smt() || (report.platform_info & kPlatformSmt) != 0),
         "policy.smt", "SMT is allowed or on"},
        {policy.require_single_socket && !guest.single_socket(), "policy.single-socket",
         "POLICY bit 20 is not set"},
        {policy.require_cxl_off && guest.cxl_allow(), "policy.cxl", "POLICY bit 21 allows CXL"},
        {policy.require_aes_256_xts && !guest.mem_aes_256_xts(), "policy.aes-256-xts",
         "POLICY bit 22 is not set"},
        {policy.require_rapl_dis && !guest.rapl_dis(), "policy.rapl-dis",
         "POLICY bit 23 is not set"},
        {policy.require_ciphertext_hiding && !guest.ciphertext_hiding_dram(),
         "policy.ciphertext-hiding", "POLICY bit 24 is not set"},
        {policy.require_page_swap_disable && !guest.page_swap_disable(), "policy.page-swap-disable",
         "POLICY bit 25 is not set"},
        {abi < min_abi, "policy.min-abi", "the guest's minimum ABI is below the policy's"},
    };
    for (const Rule& rule : rules) {
        if (rule.violated) out.error(rule.id, std::string(rule.why));
    }
}

void appraise_platform(ResultBuilder& out, const SnpPolicy& policy, const SnpReport& report) {
    const std::uint64_t info = report.platform_info;
    if ((info & policy.platform_info_required) != policy.platform_info_required ||
        (info & policy.platform_info_forbidden) != 0) {
        out.error("policy.platform-info",
                  fmt::format("PLATFORM_INFO is 0x{:x}; required are 0x{:x}, forbidden 0x{:x}",
                              info, policy.platform_info_required, policy.platform_info_forbidden));
    }
    if ((info & ~kPlatformKnown) != 0) {
        out.info("platform-info.unknown",
                 fmt::format("PLATFORM_INFO 0x{:x} has bits that are not documented", info));
    }
    if (std::find(policy.vmpl.begin(), policy.vmpl.end(), report.vmpl) == policy.vmpl.end()) {
        out.error("policy.vmpl",
                  fmt::format("the report was made for VMPL {}, which the policy does not allow",
                              report.vmpl));
    }
    const auto min =
        SnpVersion{policy.min_version[0], policy.min_version[1], policy.min_version[2]};
    if (report.current_version < min || report.committed_version < min)
        out.error("policy.min-version", "the firmware's version is below the policy's");
    const bool mit_missing =
        policy.mit_vector != 0 &&
        (report.version < 5 ||
         (report.current_mit_vector & policy.mit_vector) != policy.mit_vector ||
         (report.launch_mit_vector & policy.mit_vector) != policy.mit_vector);
    if (mit_missing)
        out.error("policy.mit-vector",
                  "the report does not show the mitigations that the policy demands");
    if (!policy.allow_provisional && (report.current_tcb != report.committed_tcb ||
                                      report.current_version != report.committed_version)) {
        out.error("policy.provisional", "CURRENT is above COMMITTED: the host can still roll back");
    }
}

bool below(const TcbVersion& have, const TcbMinimum& min) noexcept {
    return have.bootloader < min.bootloader || have.tee < min.tee || have.snp < min.snp ||
           have.microcode < min.microcode || (have.fmc && *have.fmc < min.fmc);
}

void appraise_min_tcb(ResultBuilder& out, const SnpPolicy& policy, const SnpReport& report,
                      Product product) {
    if (policy.any_min_tcb) return;
    if (!policy.min_tcb) {
        out.warning("min-tcb.unpinned", "no minimum TCB is given: old firmware would be accepted");
        return;
    }
    const auto entry = policy.min_tcb->find(std::string(product_name(product)));
    if (entry == policy.min_tcb->end()) {
        out.error("min-tcb.product",
                  fmt::format("the policy has no minimum TCB for {}", product_name(product)));
        return;
    }
    const SnpMinimumTcb& min = entry->second;
    const struct {
        std::string_view name;
        const ByteArray<8>& have;
        const TcbMinimum& want;
    } rows[] = {{"reported", report.reported_tcb, min.reported},
                {"committed", report.committed_tcb, min.committed},
                {"current", report.current_tcb, min.current},
                {"launch", report.launch_tcb, min.launch}};
    for (const auto& row : rows) {
        if (below(decode_tcb(product, row.have), row.want)) {
            out.error(fmt::format("min-tcb.{}", row.name),
                      fmt::format("{} TCB is below the policy's minimum", row.name));
        }
    }
}

void appraise_signing_key(ResultBuilder& out, const SnpPolicy& policy, const SnpReport& report,
                          std::optional<std::string_view> csp_id) {
    const bool vlek = report.signing_key == SnpSigningKey::vlek;
    if (vlek ? !policy.allow_vlek : !policy.allow_vcek) {
        out.error("policy.key-kind", fmt::format("the policy does not allow reports signed by a {}",
                                                 signing_key_name(report.signing_key)));
    }
    if (!vlek || policy.any_csp_id || !csp_id) return;
    if (!policy.csp_ids) {
        out.warning("csp-id.unpinned",
                    fmt::format("the VLEK is of {}, and no CSP id is given", *csp_id));
    } else if (std::find(policy.csp_ids->begin(), policy.csp_ids->end(), *csp_id) ==
               policy.csp_ids->end()) {
        out.error("csp-id.mismatch",
                  fmt::format("the VLEK is of \"{}\", which the policy does not list", *csp_id));
    }
}

// Anyone can set what an ID block states unless the key that signed it is pinned (`spec/snp.md`
// section 11): a policy that relies on such a statement is told so.
void warn_of_unauthenticated(ResultBuilder& out, const SnpPolicy& policy) {
    using Digest = ReferenceValues<48>::Kind;
    using Id = ReferenceValues<16>::Kind;
    if (policy.id_key_digest.kind == Digest::listed ||
        policy.author_key_digest.kind == Digest::listed)
        return;
    const auto warn = [&](std::string_view id, std::string_view what) {
        out.warning(fmt::format("{}.unauthenticated", id),
                    fmt::format("{} is judged, but whoever launches the guest sets it as long as "
                                "neither id_key_digest nor author_key_digest is pinned",
                                what));
    };
    if (policy.family_id.kind == Id::listed) warn("family-id", "FAMILY_ID");
    if (policy.image_id.kind == Id::listed) warn("image-id", "IMAGE_ID");
    if (policy.min_guest_svn > 0) warn("guest-svn", "GUEST_SVN");
}

void appraise_id_block(ResultBuilder& out, const SnpPolicy& policy, const SnpReport& report) {
    using Kind = ReferenceValues<16>::Kind;
    if (policy.require_id_block && all_zero(report.id_key_digest))
        out.error("policy.id-block", "the guest was launched without an ID block");
    appraise_reference(out, "id_key_digest", policy.id_key_digest, report.id_key_digest);
    appraise_reference(out, "author_key_digest", policy.author_key_digest,
                       report.author_key_digest);
    if (policy.author_key_digest.kind == ReferenceValues<48>::Kind::listed &&
        !report.author_key_en) {
        out.error("policy.author-key",
                  "the policy pins an author key, and AUTHOR_KEY_EN is not set");
    }
    warn_of_unauthenticated(out, policy);
    if (policy.family_id.kind != Kind::unpinned)
        appraise_reference(out, "family_id", policy.family_id, report.family_id);
    if (policy.image_id.kind != Kind::unpinned)
        appraise_reference(out, "image_id", policy.image_id, report.image_id);
    if (report.guest_svn < policy.min_guest_svn) {
        out.error("guest-svn.too-low", fmt::format("GUEST_SVN is {}, the policy demands {}",
                                                   report.guest_svn, policy.min_guest_svn));
    }
}

}  // namespace

void appraise_snp(ResultBuilder& out, const SnpPolicy& policy, const SnpReport& report,
                  std::optional<std::string_view> csp_id) {
    appraise_guest_policy(out, policy, report);
    appraise_platform(out, policy, report);
    appraise_signing_key(out, policy, report, csp_id);
    if (report.product) {
        appraise_min_tcb(out, policy, report, *report.product);
        const std::string_view name = product_name(*report.product);
        if (!policy.products.empty() && std::find(policy.products.begin(), policy.products.end(),
                                                  name) == policy.products.end()) {
            out.error("policy.product",
                      fmt::format("{} is not among the products that the policy allows", name));
        }
    }
    appraise_reference(out, "measurement", policy.measurement, report.measurement);
    appraise_reference(out, "host_data", policy.host_data, report.host_data);
    appraise_id_block(out, policy, report);
    if (policy.chip_id.kind != ReferenceValues<64>::Kind::unpinned)
        appraise_reference(out, "chip_id", policy.chip_id, report.chip_id);
    if (std::find(policy.denied_chip_ids.begin(), policy.denied_chip_ids.end(), report.chip_id) !=
        policy.denied_chip_ids.end()) {
        out.error("chip-id.denied", "the policy denies this chip");
    }
}

}  // namespace attestd
