#include "tests/unit/verifier/azure/azure_setting.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace attestd::test {

Bytes challenge() { return to_bytes(as_bytes("challenge")); }

AzureCase::AzureCase(AzureTee t) : tee(t) {
    quote.nonce = challenge();
    hcl.version = tee == AzureTee::snp ? 1 : 2;
    hcl.report_type = tee == AzureTee::snp ? 2 : 4;
    snp.fields.policy = 0x3001f;
}

Setting AzureCase::setting() const {
    Setting out = tee == AzureTee::snp ? snp.setting() : intel.setting();
    out.evidence.clear();
    out.policy = policy;
    out.expected.nonce = nonce;
    return out;
}

Bytes AzureCase::hardware_report(const std::string& json) const {
    if (tee == AzureTee::snp) {
        SnpCase with_data = snp;
        with_data.fields.report_data = forge::bound_report_data(json, hcl.hash);
        return with_data.report();
    }
    forge::TdBody body = std::get<forge::TdBody>(intel.spec.body);
    body.report_data = forge::bound_report_data(json, hcl.hash);
    if (spoil_tdreport) spoil_tdreport(body);
    return forge::tdreport_bytes(body, intel.spec.header.version == 5 ? 1 : 0);
}

Bytes AzureCase::td_quote(const std::string& json) const {
    if (tee == AzureTee::snp) return {};
    IntelCase with_data = intel;
    td(with_data).report_data = forge::bound_report_data(json, hcl.hash);
    return forge::assemble(with_data.parts());
}

AzureEvidence AzureCase::evidence() const {
    AzureEvidence out;
    forge::HclSpec blob = hcl;
    blob.runtime = forge::runtime_json(runtime);
    blob.hardware_report = hardware_report(blob.runtime);
    out.hcl_blob = forge::hcl_blob(blob);
    out.td_quote = td_quote(blob.runtime);
    const Bytes message = forge::attest_bytes(quote);
    out.vtpm_quote = VtpmQuote{message, signer.sign(message), quote.pcrs};
    if (spoil) spoil(out);
    return out;
}

AttestationResult appraise(const AzureEvidence& evidence, const Setting& setting) {
    LocalVerifier verifier(anchors_of(setting));
    return verifier.appraise(evidence, endorsements_of(setting), setting.policy, setting.expected,
                             setting.at);
}

AttestationResult appraise(const AzureCase& c) { return appraise(c.evidence(), c.setting()); }

std::string of(const AzureCase& c, std::string_view id) {
    return (c.tee == AzureTee::snp ? "snp." : "tdx.") + std::string(id);
}

}  // namespace attestd::test
