// Intel's signed documents: TCB info and enclave identities, bare and as served.
#include "tests/fuzz/appraisal.h"
#include "tests/support/forge/collateral_forge.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/tcb_info.h"
#include "verifier/signed_json.h"

namespace attestd::fuzz::documents {
namespace {

const Words kTcbWords{"\"tcbLevels\":",
                      "\"tcb\":",
                      "\"sgxtcbcomponents\":",
                      "\"tdxtcbcomponents\":",
                      "\"pcesvn\":",
                      "\"svn\":",
                      "\"tcbStatus\":",
                      "\"UpToDate\"",
                      "\"OutOfDate\"",
                      "\"Revoked\"",
                      "\"tcbDate\":",
                      "\"advisoryIDs\":",
                      "\"tdxModule\":",
                      "\"tdxModuleIdentities\":",
                      "\"id\":",
                      "\"TDX\"",
                      "\"SGX\"",
                      "\"version\":",
                      "\"issueDate\":",
                      "\"nextUpdate\":",
                      "\"2026-11-22T07:00:00Z\"",
                      "65536",
                      "-1"};
const Words kQeWords{"\"id\":",
                     "\"TD_QE\"",
                     "\"QE\"",
                     "\"version\":",
                     "\"miscselect\":",
                     "\"miscselectMask\":",
                     "\"attributes\":",
                     "\"attributesMask\":",
                     "\"mrsigner\":",
                     "\"isvprodid\":",
                     "\"isvsvn\":",
                     "\"tcbLevels\":",
                     "\"tcb\":",
                     "\"tcbStatus\":",
                     "\"tcbDate\":",
                     "\"UpToDate\"",
                     "\"OutOfDate\"",
                     "65536",
                     "-1"};

forge::CollateralSpec spec_of(bool tdx) {
    const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                      forge::IntelValidity::around(forged_at()));
    const Window validity = forge::fresh_window(forged_at());
    return tdx ? tdx_collateral(intel, {}, validity) : sgx_collateral(intel, {}, validity);
}

// A body that is taken comes out of a served document as the very bytes that went in.
void check_served(std::string_view key, std::string_view body) {
    const std::string served = forge::pcs_document(key, body, "00ff");
    const SignedJsonParts parts = must(split_signed_json(served, key));
    holds(parts.body == body.substr(body.find('{'), body.rfind('}') - body.find('{') + 1),
          "the signed text is found as it stands");
    holds(parts.signature == "00ff", "the signature is found");
    holds(json_has_outer_key(served, key), "what splits is recognised");
}

void check_levels(const std::vector<IsvLevel>& levels) {
    for (const IsvLevel& level : levels)
        holds(component_status_from(tcb_status_name(level.status)) == level.status,
              "a level has a status of its kind");
}

void run_tcb_info(ByteView input) {
    const std::string_view text = as_text(input);
    static_cast<void>(split_signed_json(text, "tcbInfo"));
    const auto info = parse_tcb_info(text);
    if (!info) return;
    reached();
    check_served("tcbInfo", text);
    holds(!info->levels.empty(), "there are levels");
    holds(info->module.has_value() == info->tdx, "TDX documents, and no others, have a module");
    for (const TcbLevel& level : info->levels) {
        holds(platform_status_from(tcb_status_name(level.status)) == level.status,
              "a level has a platform's status");
        holds(info->tdx || all_zero(level.tdx_components), "SGX levels have no TDX components");
    }
    for (const TdxModuleIdentity& one : info->module_identities) check_levels(one.levels);
}

Seeds tcb_info_seeds() {
    const std::string tdx = forge::to_json(spec_of(true).tcb_info);
    return {seed("tdx", tdx), seed("sgx", forge::to_json(spec_of(false).tcb_info)),
            seed("served", forge::pcs_document("tcbInfo", tdx, "00"))};
}

void run_qe_identity(ByteView input) {
    const std::string_view text = as_text(input);
    static_cast<void>(split_signed_json(text, "enclaveIdentity"));
    const auto identity = parse_enclave_identity(text);
    if (!identity) return;
    reached();
    check_served("enclaveIdentity", text);
    check_levels(identity->levels);
    // An enclave made of the identity itself is the one that is described.
    EnclaveReport report{};
    report.mr_signer = identity->mr_signer;
    report.isv_prod_id = identity->isv_prod_id;
    report.misc_select = 0;
    for (std::size_t i = 0; i < 4; ++i)
        report.misc_select |= static_cast<std::uint32_t>(identity->misc_select[i]) << (8 * i);
    report.attributes = identity->attributes;
    const auto matched = match_enclave(report, *identity);
    holds(matched.has_value() || matched.error().code == Errc::qe_report_mismatch,
          "a mismatch is called one");
}

Seeds qe_identity_seeds() {
    const std::string td = forge::to_json(spec_of(true).qe_identity);
    return {seed("td_qe", td), seed("qe", forge::to_json(spec_of(false).qe_identity)),
            seed("served", forge::pcs_document("enclaveIdentity", td, "00"))};
}

const bool kTcbAdded = add({"tcb-info", run_tcb_info, tcb_info_seeds, kTcbWords, 3000});
const bool kQeAdded = add({"qe-identity", run_qe_identity, qe_identity_seeds, kQeWords, 3000});

}  // namespace
}  // namespace attestd::fuzz::documents
