#include "quote/platform/echo.h"

#include <fmt/format.h>

#include "quote/amd/service_manifest.h"
#include "quote/amd/snp_report.h"
#include "quote/azure/bound_data.h"
#include "quote/intel/quote.h"

namespace attestd {
namespace {

Result<ReportData> report_data_of_azure(const Evidence& evidence) {
    ATTESTD_TRY(const AzureEvidence azure,
                parse_azure_evidence(as_text(evidence.quote), "evidence"));
    return bound_data_of(azure, evidence.tee == Tee::snp ? HclReportType::snp : HclReportType::tdx);
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
