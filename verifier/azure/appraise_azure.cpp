#include "verifier/azure/appraise_azure.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "quote/base/pkcs1_key.h"
#include "verifier/azure/vtpm_verification.h"
#include "verifier/internal/appraisal.h"

namespace attestd {
namespace {

using Pcr = ReferenceValues<32>;

template <std::size_t N>
bool is_listed(const ReferenceValues<N>& reference) {
    return reference.kind == ReferenceValues<N>::Kind::listed;
}

bool pins_pcrs(const AzurePolicy& policy) {
    return std::any_of(policy.pcrs.begin(), policy.pcrs.end(), is_listed<32>);
}

bool needs_quote(const AzurePolicy& policy) {
    return policy.require_vtpm_quote || pins_pcrs(policy);
}

// `nonce` as the guest writes it to the user-data field: zero-padded. Empty when it does not fit.
std::optional<ReportData> padded(ByteView nonce) {
    ReportData out{};
    if (nonce.size() > out.size()) return std::nullopt;
    std::copy(nonce.begin(), nonce.end(), out.begin());
    return out;
}

std::optional<Bytes> nonce_of(const Expectations& expected) {
    if (expected.nonce || !expected.report_data) return expected.nonce;
    return vtpm_nonce(*expected.report_data);
}

// What user-data must be, whole, for what is expected. Empty when nothing can be.
std::optional<ReportData> user_data_of(const Expectations& expected) {
    if (!expected.nonce) return expected.report_data;
    return padded(*expected.nonce);
}

void appraise_vm(ResultBuilder& out, const AzurePolicy& policy, const VmConfiguration& vm) {
    constexpr std::string_view kNoSecureBoot =
        "secure-boot is false: what the VM boots was not checked by its firmware";
    constexpr std::string_view kConsole =
        "console-enabled is true: the host has a console of the VM";
    if (!vm.secure_boot && !policy.require_secure_boot)
        out.warning("hcl.secure-boot", std::string(kNoSecureBoot));
    if (!vm.secure_boot && policy.require_secure_boot.value_or(false))
        out.error("hcl.secure-boot", std::string(kNoSecureBoot));
    if (vm.console_enabled && !policy.allow_console)
        out.warning("hcl.console", std::string(kConsole));
    if (vm.console_enabled && !policy.allow_console.value_or(true))
        out.error("hcl.console", std::string(kConsole));
}

void appraise_paravisor(ResultBuilder& out, const AzureRules& rules) {
    if (rules.paravisor_pinned) return;
    constexpr std::string_view kWhy =
        "no reference value pins the paravisor (measurement, id_key_digest or author_key_digest; "
        "for TDX mrtd): anybody's guest can show a blob like this, with PCRs of its choice";
    if (pins_pcrs(rules.azure))
        out.error("hcl.paravisor-unpinned", std::string(kWhy));
    else
        out.warning("hcl.paravisor-unpinned", std::string(kWhy));
}

void appraise_pcrs(ResultBuilder& out, const AzurePolicy& policy, const VtpmClaims& vtpm) {
    if (!policy.any_pcrs && std::all_of(policy.pcrs.begin(), policy.pcrs.end(), [](const Pcr& p) {
            return p.kind == Pcr::Kind::unpinned;
        })) {
        out.warning("vtpm.pcrs-unpinned",
                    "no reference values of PCRs are given: the measurement covers the paravisor, "
                    "not the operating system");
        return;
    }
    for (std::size_t i = 0; i < kNumPcrs; ++i) {
        if (policy.pcrs.at(i).allows(vtpm.pcrs.at(i))) continue;
        out.error(fmt::format("vtpm.pcr{}-mismatch", i),
                  fmt::format("PCR {} is {}, which is not among the reference values", i,
                              to_hex(vtpm.pcrs.at(i))));
    }
}

void refuse_user_data(ResultBuilder& out, const RuntimeData& runtime) {
    out.error("hcl.user-data",
              fmt::format("user-data is {}, which is neither the nonce padded with zeros nor the "
                          "report data that it is made of",
                          runtime.user_data ? to_hex(*runtime.user_data) : "absent"));
}

// Without a quote, user-data can show that the report is fresh: zero is what the guest left there.
void appraise_without_quote(ResultBuilder& out, const AzurePolicy& policy,
                            const RuntimeData& runtime, const std::optional<ReportData>& wanted) {
    const ReportData have = runtime.user_data.value_or(ReportData{});
    if (wanted && runtime.user_data && equal_constant_time(have, *wanted)) return;
    if (!all_zero(have)) return refuse_user_data(out, runtime);
    if (needs_quote(policy)) return;  // the missing quote is said, and could carry the nonce
    out.error("hcl.freshness",
              "neither a vTPM's quote nor user-data carries the nonce: nothing shows when this "
              "evidence was made");
}

// The promise of version 2: user-data is the quote's nonce, or what the nonce is made of.
bool keeps_promise(const std::optional<ReportData>& user_data, ByteView nonce) {
    if (!user_data) return false;
    return user_data == padded(nonce) || equal(vtpm_nonce(*user_data), nonce);
}

// The hardware report is fixed for the life of the VM apart from user-data, so that freshness comes
// from the vTPM's nonce or from user-data.
void appraise_freshness(ResultBuilder& out, const AzureEvidence& evidence,
                        const AzurePolicy& policy, const AzureClaims& claims,
                        const Expectations& expected) {
    const auto nonce = nonce_of(expected);
    const RuntimeData& runtime = claims.runtime;
    if (!nonce) {
        out.warning("hcl.freshness",
                    "no nonce is expected: when this evidence was made is not judged");
    } else if (!claims.vtpm) {
        appraise_without_quote(out, policy, runtime, user_data_of(expected));
    }
    if (!claims.vtpm || evidence.user_data != UserDataRule::nonce) return;
    // A digest in the quote could be of other bytes than those that are expected.
    const bool is_expected =
        expected.nonce || !expected.report_data || runtime.user_data == expected.report_data;
    if (!is_expected || !keeps_promise(runtime.user_data, claims.vtpm->nonce))
        refuse_user_data(out, runtime);
}

// The attestation key of runtime data that the report binds, and what else it says.
struct Bound {
    RuntimeData runtime;
    Pkcs1Key key;
};
Result<Bound> open_bound(const HclBlob& blob, const ReportData& report_data) {
    if (!equal_constant_time(report_data, blob.bound_report_data())) {
        return fail(Errc::hcl_binding,
                    fmt::format("REPORT_DATA is {}, the {} of the runtime data is another",
                                to_hex(report_data), hcl_hash_name(blob.hash)));
    }
    auto runtime = parse_runtime_data(blob.runtime_data);
    if (!runtime) return fail(Errc::hcl_malformed, to_string(runtime.error()));
    const HclKey& key = runtime->attestation_key;
    auto usable = Pkcs1Key::from_rsa(key.modulus, key.exponent);
    if (!usable) return fail(Errc::hcl_malformed, "HCLAkPub: " + usable.error().detail);
    return Bound{*std::move(runtime), *std::move(usable)};
}

}  // namespace

void appraise_azure(Pending& pending, const AzureEvidence& evidence, const HclBlob& blob,
                    const ReportData& report_data, const AzureRules& rules,
                    const Expectations& expected) {
    if (pending.failed) return;
    const AzurePolicy& policy = rules.azure;
    if (expected.service_manifest) {
        pending.out.error("svsm.evidence",
                          "a service manifest is expected, and a paravisor is no SVSM");
    }
    auto bound = open_bound(blob, report_data);
    if (!bound) return pending.fail(bound.error());
    const auto claims =
        std::make_shared<AzureClaims>(AzureClaims{blob.version, std::move(bound->runtime), {}});
    pending.out.azure(claims);
    if (evidence.vtpm_quote) {
        auto vtpm = verify_vtpm_quote(*evidence.vtpm_quote, bound->key, nonce_of(expected));
        if (!vtpm) return pending.fail(vtpm.error());
        claims->vtpm = *std::move(vtpm);
        appraise_pcrs(pending.out, policy, *claims->vtpm);
    } else if (needs_quote(policy)) {
        pending.absent({Errc::vtpm_missing,
                        "no quote of the vTPM is given: neither the PCRs nor a nonce are known"});
    }
    if (!policy.allowed) {
        pending.out.error("policy.azure",
                          "the policy does not speak of a paravisor's evidence: add an \"azure\" "
                          "member to it");
    }
    appraise_paravisor(pending.out, rules);
    appraise_vm(pending.out, policy, claims->runtime.vm);
    appraise_freshness(pending.out, evidence, policy, *claims, expected);
}

AzureRules::AzureRules(const SnpPolicy& snp)
    : azure(snp.azure),
      paravisor_pinned(is_listed(snp.measurement) || is_listed(snp.id_key_digest) ||
                       is_listed(snp.author_key_digest)) {}

AzureRules::AzureRules(const TdxPolicy& tdx)
    : azure(tdx.azure), paravisor_pinned(is_listed(tdx.mrtd)) {}

void refuse_other_vmpl(ResultBuilder& out, const SnpReport& report) {
    if (report.vmpl == 0) return;
    out.error("hcl.vmpl",
              fmt::format("the report was made for VMPL {}: not by the paravisor, which "
                          "runs at VMPL 0",
                          report.vmpl));
}

void refuse_bare(ResultBuilder& out, const AzurePolicy& policy) {
    if (!policy.named) return;
    out.error("policy.azure",
              "the policy demands a paravisor's evidence (\"azure\"), and this is a bare report");
}

}  // namespace attestd
