#include "agent/collateral/needs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "quote/amd/snp_report.h"
#include "quote/base/reader.h"
#include "quote/intel/pck_extension.h"
#include "quote/intel/quote.h"
#include "verifier/amd/report_verification.h"
#include "verifier/intel/pck_chain.h"

namespace attestd {
namespace {

// Certification data of types 1 to 3: the PPID, in clear or encrypted, then the platform's SVNs.
Result<EndorsementId> pck_certificate_of(const ParsedQuote& quote) {
    constexpr std::array<std::size_t, 4> kPpidLen{0, 16, 256, 384};
    constexpr std::uint16_t kPlainPpid = 1;
    if (quote.cert_data_type < kPlainPpid || quote.cert_data_type >= kPpidLen.size()) {
        return fail(Errc::chain_missing,
                    fmt::format("certification data of type {} name no platform to ask for",
                                quote.cert_data_type));
    }
    PckCertificateId id{};
    Reader in(quote.cert_data);
    ATTESTD_TRY(const ByteView ppid, in.bytes(kPpidLen[quote.cert_data_type], "PPID"));
    ATTESTD_TRY(id.cpu_svn, in.array<16>("CPUSVN"));
    ATTESTD_TRY(id.pce_svn, in.array<2>("PCESVN"));
    ATTESTD_TRY(id.pce_id, in.array<2>("PCEID"));
    ATTESTD_CHECK(in.finish("certification data"));
    if (quote.cert_data_type != kPlainPpid) id.encrypted_ppid = to_bytes(ppid);
    std::copy_n(quote.quote.header.user_data.begin(), id.qe_id.size(), id.qe_id.begin());
    id.qe_report = to_bytes(quote.qe_report_bytes);
    std::copy_n(quote.qe_report_signature.begin(), id.qe_report_signature.size(),
                id.qe_report_signature.begin());
    return EndorsementId(std::move(id));
}

Result<std::vector<EndorsementId>> intel_needs(ByteView evidence, const Endorsements& given) {
    ATTESTD_TRY(const ParsedQuote quote, parse_intel_quote(evidence));
    const auto chain = find_pck_chain(quote, given);
    if (!chain && chain.error().code == Errc::chain_missing) {
        ATTESTD_TRY(EndorsementId id, pck_certificate_of(quote));
        return std::vector<EndorsementId>{std::move(id)};
    }
    if (!chain) return tl::make_unexpected(chain.error());
    ATTESTD_TRY(const auto pck, chain->pck);
    if (!pck) return fail(Errc::chain_extension, "PCK certificate: the SGX extension is missing");
    const bool tdx = quote.quote.is_tdx();
    const PckCa ca =
        chain->leaf.issuer().common_name == kPlatformCaName ? PckCa::platform : PckCa::processor;
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
