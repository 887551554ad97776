// Evidence of Azure confidential VMs: the JSON, the paravisor's blob, the vTPM's quote.
#include <fmt/format.h>

#include "quote/azure/bound_data.h"
#include "quote/azure/runtime_data.h"
#include "quote/azure/tpm_quote.h"
#include "quote/base/encoding.h"
#include "quote/intel/tdreport.h"
#include "tests/fuzz/appraisal.h"
#include "tests/support/forge/azure_forge.h"
#include "tests/support/forge/report_forge.h"
#include "verifier/azure/vtpm_verification.h"

namespace attestd::fuzz::azure {
namespace {

AzureEvidence forged(std::uint32_t type) {
    forge::RuntimeSpec runtime;
    forge::HclSpec spec;
    spec.version = type == 2 ? 1 : 2;
    spec.runtime = forge::runtime_json(runtime);
    spec.report_type = type;
    AzureEvidence out;
    if (type == 4) {
        forge::TdBody body;
        body.report_data = forge::bound_report_data(spec.runtime);
        spec.hardware_report = forge::tdreport_bytes(body);
        const forge::IntelHierarchy intel(forge::shared_intel_keys(),
                                          forge::IntelValidity::around(forged_at()));
        forge::QuoteSpec quote = forge::tdx_v4();
        quote.body = body;
        out.td_quote = forge::forge_quote(quote, intel, intel.pck({}));
    } else {
        forge::SnpFields fields = forge::snp_fields(forge::Product::milan, 3);
        fields.report_data = forge::bound_report_data(spec.runtime);
        spec.hardware_report = forge::report_bytes(fields);
    }
    out.hcl_blob = forge::hcl_blob(spec);
    forge::VtpmQuoteSpec quote;
    quote.nonce = vtpm_nonce({});
    const Bytes message = forge::attest_bytes(quote);
    out.vtpm_quote = VtpmQuote{message, forge::shared_vtpm_key().sign(message), quote.pcrs};
    out.user_data = UserDataRule::nonce;
    return out;
}
const AzureEvidence& tdx() {
    static const AzureEvidence made = forged(4);
    return made;
}
const AzureEvidence& snp() {
    static const AzureEvidence made = forged(2);
    return made;
}

// The collateral of the plain case speaks of the same machine.
AttestationResult appraise(const AzureEvidence& evidence) {
    static const auto files = must(forge::forge_case("tdx-v4", forged_at()));
    static const Endorsements given = [] {
        Endorsements out;
        holds(out.add(content_of(files, "collateral.json"), "forged").has_value(), "taken");
        return out;
    }();
    static LocalVerifier verifier([] {
        TrustAnchors anchors;
        holds(anchors.add_certificate(content_of(files, "root.der")).has_value(), "taken");
        return anchors;
    }());
    return verifier.appraise(evidence, given, {}, {}, forged_at());
}

void check_signed_parts(const AzureEvidence& evidence) {
    const HclBlob blob = must(parse_hcl_blob(evidence.hcl_blob));
    const HclBlob genuine = must(parse_hcl_blob(tdx().hcl_blob));
    holds(equal(blob.runtime_data, genuine.runtime_data), "the bound runtime data is as it was");
    holds(evidence.vtpm_quote && evidence.vtpm_quote->message == tdx().vtpm_quote->message &&
              evidence.vtpm_quote->pcrs == tdx().vtpm_quote->pcrs,
          "what the vTPM signed is as it was");
}

void run_evidence(ByteView input) {
    static_cast<void>(looks_like_azure_evidence(as_text(input)));
    static_cast<void>(parse_vtpm_quote(as_text(input), "quote"));
    const auto parsed = parse_azure_evidence(as_text(input), "evidence");
    if (!parsed) return;
    reached();
    const std::string written = write_azure_evidence(*parsed);
    const auto again = must(parse_azure_evidence(written, "written"));
    holds(write_azure_evidence(again) == written, "evidence is written as it was read");
    for (const HclReportType type : {HclReportType::snp, HclReportType::tdx})
        static_cast<void>(bound_data_of(*parsed, type));
    const AttestationResult result = appraise(*parsed);
    look_at(result);
    if (result.verdict() == Verdict::accepted) check_signed_parts(*parsed);
}

Seeds evidence_seeds() {
    holds(appraise(tdx()).verdict() == Verdict::accepted, "the forged evidence is accepted");
    AzureEvidence old = snp();
    old.user_data = UserDataRule::free;
    return {seed("tdx", write_azure_evidence(tdx())), seed("snp", write_azure_evidence(snp())),
            seed("version-1", write_azure_evidence(old))};
}

void run_blob(ByteView input) {
    static_cast<void>(parse_runtime_data(input));
    static_cast<void>(parse_tdreport(input));
    const auto blob = parse_hcl_blob(input);
    if (!blob) return;
    reached();
    holds(looks_like_hcl_blob(input), "what parses is recognised");
    holds(lies_in(blob->hardware_report, input) && lies_in(blob->runtime_data, input),
          "both parts are parts of the blob");
    holds(all_zero(input.last(blob->padding)), "only padding follows");
    holds(!all_zero(blob->bound_report_data()), "there is something to be bound");
    static_cast<void>(parse_runtime_data(blob->runtime_data));
}

Seeds blob_seeds() {
    return {{"tdx", tdx().hcl_blob},
            {"snp", snp().hcl_blob},
            seed("runtime", forge::runtime_json({})),
            {"tdreport", forge::tdreport_bytes({}, 1)}};
}

Pkcs1Key vtpm_key() {
    return must(Pkcs1Key::from_rsa(forge::shared_vtpm_key().modulus(),
                                   forge::shared_vtpm_key().exponent()));
}

void run_tpm(ByteView input) {
    static const Pkcs1Key key = vtpm_key();
    static_cast<void>(parse_tpm_signature(input));
    const auto quote = parse_tpm_quote(input);
    if (!quote) return;
    reached();
    for (const ByteView part : {quote->qualified_signer, quote->extra_data, quote->pcr_digest})
        holds(lies_in(part, input), "a field is part of the quote");
    VtpmQuote with = *tdx().vtpm_quote;
    with.message = to_bytes(input);
    holds(!verify_vtpm_quote(with, key, {}) || with.message == tdx().vtpm_quote->message,
          "what was not signed is not verified");
}

Seeds tpm_seeds() {
    return {{"quote", tdx().vtpm_quote->message},
            {"signature", forge::tpmt_signature(tdx().vtpm_quote->signature)}};
}

const bool kEvidence =
    add({"azure-evidence",
         run_evidence,
         evidence_seeds,
         {"\"version\":", "\"tpm_quote\":", "\"hcl_report\":", "\"td_quote\":", "\"vcek\":",
          "\"signature\":", "\"message\":", "\"pcrs\":", "\"quote\":"}});
const bool kBlob =
    add({"hcl-blob",
         run_blob,
         blob_seeds,
         {"HCLA", "\"keys\":", "\"kid\":\"HCLAkPub\"",
          "\"user-data\":", "\"vm-configuration\":", "\"key_ops\":", "\"secure-boot\":true"},
         3000});
const bool kTpm = add({"tpm-quote", run_tpm, tpm_seeds, {"\xff\x54\x43\x47\x80\x18"}, 3000});

}  // namespace
}  // namespace attestd::fuzz::azure
