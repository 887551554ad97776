// One forged case of each format.
#include "tests/mutation/cases.h"
#include "tests/support/forge/amd_forge.h"
#include "tests/support/forge/case_forge.h"
#include "tests/support/forge/collateral_forge.h"

namespace attestd::mutation {
namespace {

const Time kForgedAt = make_time(2026, 11, 22, 8, 0, 0, "now").value();

Job intel_job(const std::string& kind) {
    const auto files = forge::forge_case(kind, kForgedAt).value();
    const Bytes& quote = forge::content_of(files, "quote.bin");
    const Bytes& collateral = forge::content_of(files, "collateral.json");
    Job out{{"forged " + kind,
             quote,
             {collateral},
             {forge::content_of(files, "root.der")},
             {},
             kForgedAt},
            {{"quote", {}, plan_quote(quote), {}}}};
    // What they hold differs between the TEEs and in nothing else.
    if (kind == "tdx-v4" || kind == "sgx-v3")
        out.targets.push_back({"collateral", 0, plan_collateral(collateral), {}});
    return out;
}

// The same endorsements one by one, as Intel's service gives them.
Job apart_job() {
    const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                      forge::IntelValidity::around(kForgedAt));
    const auto files = forge::forge_case("tdx-v4", kForgedAt).value();
    const forge::Collateral c = forge::sign_collateral(
        forge::tdx_collateral(intel, forge::PckFields{}, forge::fresh_window(kForgedAt)), intel);
    const auto document = [](const char* key, const std::string& text,
                             const std::string& signature) {
        return to_bytes(as_bytes(forge::pcs_document(key, text, signature)));
    };
    const Bytes tcb_info = document("tcbInfo", c.tcb_info, c.tcb_info_signature);
    const Bytes identity = document("enclaveIdentity", c.qe_identity, c.qe_identity_signature);
    return {{"forged tdx-v4 apart",
             forge::content_of(files, "quote.bin"),
             {tcb_info, identity, c.root_ca_crl, c.pck_crl, intel.tcb_signing},
             {intel.root},
             {},
             kForgedAt},
            {{"TCB info", 0, plan_document(tcb_info, "tcbInfo"), {}},
             {"QE identity", 1, plan_document(identity, "enclaveIdentity"), {}},
             {"root CRL", 2, plan_intel_crl(c.root_ca_crl), {}},
             {"PCK CRL", 3, plan_intel_crl(c.pck_crl), {}},
             {"TCB signer", 4, plan_tcb_signer(intel.tcb_signing), {}}}};
}

Job amd_job(const std::string& kind) {
    const auto files = forge::forge_case(kind, kForgedAt).value();
    const auto& report = forge::content_of(files, "report.bin");
    const auto& leaf = forge::content_of(files, "leaf.der");
    const auto& intermediate = forge::content_of(files, "intermediate.der");
    const auto& root = forge::content_of(files, "root.der");
    const auto& crl = forge::content_of(files, "crl.der");
    Job out{{"forged " + kind, report, {leaf, intermediate, root, crl}, {root}, {}, kForgedAt},
            {{"report", {}, plan_report(report), {}}}};
    // A list of another issuer is no list: only a policy that demands one notices.
    out.genuine.policy.snp.require_crl = true;
    // One of each layout of leaf; the authorities of the products differ in their names.
    if (kind == "snp-milan-v3" || kind == "snp-turin-v5" || kind == "snp-milan-v5-vlek")
        out.targets.push_back({"leaf", 0, plan_amd_certificate(leaf, Place::leaf), {}});
    if (kind == "snp-milan-v3") {
        out.targets.push_back(
            {"intermediate", 1, plan_amd_certificate(intermediate, Place::intermediate), {}});
        out.targets.push_back({"root", 2, plan_amd_certificate(root, Place::root), {}});
        out.targets.push_back({"CRL", 3, plan_amd_crl(crl), {}});
    }
    return out;
}

Job table_job() {
    const auto files = forge::forge_case("snp-milan-v3", kForgedAt).value();
    const Bytes& table = forge::content_of(files, "table.bin");
    return {{"forged snp-milan-v3 table",
             forge::content_of(files, "report.bin"),
             {table},
             {forge::content_of(files, "root.der")},
             {},
             kForgedAt},
            {{"table", 0, plan_table(table), {}}}};
}

}  // namespace

Jobs forged_jobs() {
    Jobs out;
    for (const std::string& kind : forge::case_kinds()) {
        out.all.push_back(kind.starts_with("snp-") ? amd_job(kind) : intel_job(kind));
    }
    out.all.push_back(apart_job());
    out.all.push_back(table_job());
    return out;
}

}  // namespace attestd::mutation
