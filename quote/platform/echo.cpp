#include "quote/platform/echo.h"

#include <fmt/format.h>

#include "quote/amd/service_manifest.h"
#include "quote/amd/snp_report.h"
#include "quote/azure/azure_evidence.h"
#include "quote/azure/hcl_blob.h"
#include "quote/azure/runtime_data.h"
#include "quote/azure/tpm_quote.h"
#include "quote/intel/quote.h"

namespace attestd {
namespace {

// The hardware's own report data binds the paravisor's key; what the caller gave is in user-data,
// and what the vTPM signs is made of that.
Result<ReportData> report_data_of_azure(const Evidence& evidence) {
    ATTESTD_TRY(const AzureEvidence azure,
                parse_azure_evidence(as_text(evidence.quote), "evidence"));
    ATTESTD_TRY(const HclBlob blob, parse_hcl_blob(azure.hcl_blob));
    const bool is_snp = blob.report_type == HclReportType::snp;
    if (is_snp != (evidence.tee == Tee::snp))
        return fail(Errc::unsupported_type, "the paravisor's blob is of another TEE");
    ATTESTD_TRY(const RuntimeData runtime, parse_runtime_data(blob.runtime_data));
    if (!runtime.user_data) return fail(Errc::missing_key, "no user-data in the runtime data");
    if (!azure.vtpm_quote) return fail(Errc::vtpm_missing, "no quote of the vTPM");
    ATTESTD_TRY(const TpmQuote quote, parse_tpm_quote(azure.vtpm_quote->message));
    if (equal(quote.extra_data, vtpm_nonce(*runtime.user_data))) return *runtime.user_data;
    return fail(Errc::vtpm_nonce, "the vTPM's quote was made for something else than user-data");
}

}  // namespace

bool is_azure(const Evidence& evidence) {
    return looks_like_azure_evidence(as_text(evidence.quote));
}

Result<ReportData> report_data_of(const Evidence& evidence) {
    if (is_azure(evidence)) return report_data_of_azure(evidence);
    if (evidence.tee == Tee::snp) {
        ATTESTD_TRY(const ParsedSnpReport parsed, parse_snp_report(evidence.quote));
        return parsed.report.report_data;
    }
    ATTESTD_TRY(const ParsedQuote parsed, parse_intel_quote(evidence.quote));
    if (!parsed.quote.is_tdx())
        return fail(Errc::unsupported_type, "an SGX quote in place of a TDX one");
    return parsed.quote.report_data();
}

Result<void> check_echo(const Evidence& evidence, const ReportData& asked) {
    const auto echoed = report_data_of(evidence);
    if (!echoed) {
        return fail(Errc::platform_failed,
                    fmt::format("the evidence is no {} evidence: {}", tee_name(evidence.tee),
                                echoed.error().detail));
    }
    const bool is_services = evidence.tee == Tee::snp && !evidence.service_manifest.empty();
    const ReportData want =
        is_services ? svsm_report_data(asked, evidence.service_manifest) : asked;
    if (*echoed != want)
        return fail(Errc::platform_wrong_echo, "the evidence has other report data");
    return {};
}

}  // namespace attestd
