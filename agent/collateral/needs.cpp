#include "agent/collateral/needs.h"

#include <fmt/format.h>

#include "quote/amd/snp_report.h"
#include "quote/intel/pck_extension.h"
#include "quote/intel/quote.h"
#include "verifier/amd/report_verification.h"
#include "verifier/intel/pck_chain.h"

namespace attestd {
namespace {

Result<std::vector<EndorsementId>> intel_needs(ByteView evidence, const Endorsements& given) {
    ATTESTD_TRY(const ParsedQuote quote, parse_intel_quote(evidence));
    ATTESTD_TRY(const auto chain, find_pck_chain(quote, given));
    ATTESTD_TRY(const auto pck, chain.pck);
    if (!pck) return fail(Errc::chain_extension, "PCK certificate: the SGX extension is missing");
    const bool tdx = quote.quote.is_tdx();
    const PckCa ca =
        chain.leaf.issuer().common_name == kPlatformCaName ? PckCa::platform : PckCa::processor;
    return std::vector<EndorsementId>{TcbInfoId{tdx, pck->fmspc}, QeIdentityId{tdx}, PckCrlId{ca},
                                      RootCrlId{}};
}

Result<std::vector<EndorsementId>> amd_needs(ByteView evidence, const Endorsements& given) {
    ATTESTD_TRY(const ParsedSnpReport parsed, parse_snp_report(evidence));
    ATTESTD_CHECK(check_signed(parsed));
    const SnpReport& report = parsed.report;
    const auto product = report.names_product() ? report.product : product_hint(report, given);
    if (!product) {
        return fail(Errc::product_unknown,
                    "a version 2 report does not say which product made it: give its VCEK or VLEK");
    }
    const bool vlek = report.signing_key == SnpSigningKey::vlek;
    std::vector<EndorsementId> needs{AmdIssuersId{*product, vlek}};
    // A masked chip id cannot be asked for.
    if (!vlek && !all_zero(report.chip_id)) {
        const auto hw_id = ByteView(report.chip_id).first(hwid_len(*product));
        needs.emplace_back(VcekId{*product, Bytes(hw_id.begin(), hw_id.end()),
                                  decode_tcb(*product, report.reported_tcb)});
    }
    needs.emplace_back(AmdCrlId{*product, vlek});
    return needs;
}

}  // namespace

Result<std::vector<EndorsementId>> needed_endorsements(ByteView evidence,
                                                       const Endorsements& given) {
    if (looks_like_intel_quote(evidence)) return intel_needs(evidence, given);
    if (looks_like_snp_report(evidence)) {
        return amd_needs(evidence.first(std::min(evidence.size(), kSnpReportLen)), given);
    }
    return fail(Errc::unknown_format, "neither a TDX or SGX quote nor an SNP report");
}

}  // namespace attestd
