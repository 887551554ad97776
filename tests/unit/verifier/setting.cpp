#include "tests/unit/verifier/setting.h"

#include <algorithm>

#include "tests/support/catch.h"
#include "tests/support/forge/case_forge.h"

namespace attestd::test {

Time now() {
    static const Time made = make_time(2026, 11, 22, 8, 0, 0, "now").value();
    return made;
}

Window fresh() { return forge::fresh_window(now()); }

TrustAnchors anchors_of(const Setting& setting) {
    TrustAnchors anchors;
    for (const Bytes& anchor : setting.anchors) REQUIRE_OK(anchors.add_certificate(anchor));
    return anchors;
}

Endorsements endorsements_of(const Setting& setting) {
    Endorsements endorsements;
    for (const Bytes& bytes : setting.endorsements) REQUIRE_OK(endorsements.add(bytes, "forged"));
    return endorsements;
}

AttestationResult appraise_by(LocalVerifier& verifier, const Setting& setting) {
    return verifier.appraise(setting.evidence, endorsements_of(setting), setting.policy,
                             setting.expected, setting.at);
}

AttestationResult appraise(const Setting& setting) {
    LocalVerifier verifier(anchors_of(setting));
    return appraise_by(verifier, setting);
}

std::string outcome_of(const AttestationResult& result) {
    std::string out = result.verdict() == Verdict::accepted  ? "accepted"
                      : result.verdict() == Verdict::refused ? "refused:"
                                                             : "undecided:";
    for (const Finding& finding : result.findings()) {
        if (finding.severity == Severity::error) out += ' ' + finding.id;
    }
    return out;
}

std::vector<std::string> all_ids(const AttestationResult& result) {
    std::vector<std::string> out{outcome_of(result)};
    for (const Finding& finding : result.findings())
        out.push_back(std::string(severity_name(finding.severity)) + ' ' + finding.id);
    return out;
}

bool has_finding(const AttestationResult& result, std::string_view id) {
    const Findings& all = result.findings();
    return std::any_of(all.begin(), all.end(), [&](const Finding& f) { return f.id == id; });
}

const forge::IntelHierarchy& intel(forge::PckCa ca) {
    using forge::IntelHierarchy, forge::IntelValidity;
    static const IntelHierarchy platform(forge::shared_intel_keys(), IntelValidity::around(now()));
    static const IntelHierarchy processor(forge::shared_intel_keys(), IntelValidity::around(now()),
                                          forge::PckCa::processor);
    return ca == forge::PckCa::platform ? platform : processor;
}

IntelCase::IntelCase(forge::QuoteSpec s)
    : spec(std::move(s)),
      collateral(spec.header.tee_type == 0 ? forge::sgx_collateral(intel(), machine, fresh())
                                           : forge::tdx_collateral(intel(), machine, fresh())) {}

forge::QuoteParts IntelCase::parts() const {
    forge::QuoteParts out = forge::make_parts(spec, intel(), intel().pck(machine));
    if (spoil_quote) spoil_quote(out);
    return out;
}

forge::Collateral IntelCase::signed_collateral() const {
    forge::Collateral out = forge::sign_collateral(collateral, intel());
    if (spoil_collateral) spoil_collateral(out);
    return out;
}

Setting IntelCase::setting() const {
    return {forge::assemble(parts()),
            {to_bytes(as_bytes(forge::to_json(signed_collateral())))},
            {intel().root},
            {},
            {},
            now()};
}

std::vector<Bytes> taken_apart(const forge::Collateral& c, const forge::IntelHierarchy& hierarchy) {
    const auto document = [](const char* key, const std::string& text,
                             const std::string& signature) {
        return to_bytes(as_bytes(forge::pcs_document(key, text, signature)));
    };
    return {document("tcbInfo", c.tcb_info, c.tcb_info_signature),
            document("enclaveIdentity", c.qe_identity, c.qe_identity_signature),
            c.root_ca_crl,
            c.pck_crl,
            hierarchy.root,
            hierarchy.pck_ca,
            hierarchy.tcb_signing};
}

namespace {

// One of each vendor key for the process; RSA keys of 4096 bits are slow to make.
forge::AmdHierarchy hierarchy(forge::Product product) {
    return {product, forge::shared_amd_keys(), forge::AmdValidity::around(now())};
}

}  // namespace

SnpCase::SnpCase(forge::Product p, std::uint32_t version, forge::ReportKey k)
    : product(p),
      key(k),
      fields(forge::snp_fields(p, version)),
      leaf(vlek() ? hierarchy(p).vlek_spec(kCspId, forge::SnpTcb::typical(p))
                  : hierarchy(p).vcek_spec(fields.chip_id, forge::SnpTcb::typical(p))),
      intermediate(vlek() ? hierarchy(p).asvk_spec() : hierarchy(p).ask_spec()),
      root(hierarchy(p).ark_spec()) {
    fields.set_signing_key(k);
    if (vlek()) fields.chip_id = {};
}

forge::AmdHierarchy SnpCase::amd() const { return hierarchy(product); }

Bytes SnpCase::report() const {
    Bytes out = forge::forge_report(fields, vlek() ? amd().keys().vlek : amd().keys().vcek);
    if (spoil_report) spoil_report(out);
    return out;
}

std::vector<Bytes> SnpCase::endorsements() const {
    const forge::Issuer ask = vlek() ? amd().asvk_issuer() : amd().ask_issuer();
    std::vector<Bytes> out{
        forge::issue(leaf, leaf_issuer.value_or(ask)),
        forge::issue(intermediate, intermediate_issuer.value_or(amd().ark_issuer())),
        forge::issue(root, amd().ark_issuer())};
    if (crl) out.push_back(forge::issue(*crl, crl_issuer.value_or(amd().ark_issuer())));
    return out;
}

Setting SnpCase::setting() const {
    return {report(), endorsements(), {amd().ark()}, {}, {}, now()};
}

}  // namespace attestd::test
