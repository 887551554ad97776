#include "agent/remote/match.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/log.h"
#include "agent/remote/token.h"
#include "quote/azure/azure_evidence.h"
#include "quote/azure/hcl_blob.h"
#include "quote/base/encoding.h"

namespace attestd::remote {
namespace {

constexpr std::size_t kMaxShownClaim = 130;  // 64 bytes in hexadecimal

Result<void> read_hardware(EvidenceFacts& out) {
    if (out.tee == Tee::snp) {
        ATTESTD_TRY(const ParsedSnpReport parsed, parse_snp_report(out.bytes));
        out.claims = parsed.report;
        out.report_data = parsed.report.report_data;
        return {};
    }
    ATTESTD_TRY(const ParsedQuote parsed, parse_intel_quote(out.bytes));
    if (!parsed.quote.is_tdx())
        return fail(Errc::platform_unsupported,
                    "the evidence is neither a TD's nor an SNP guest's");
    out.claims = parsed.quote;
    out.report_data = parsed.quote.report_data();
    out.bytes.resize(parsed.consumed);
    return {};
}

ClaimView view_of(const ClaimInfo& info, const Claims& evidence) {
    if (const auto* quote = std::get_if<IntelQuote>(&evidence))
        return info.of_td != nullptr ? info.of_td(*quote) : ClaimView();
    const auto* report = std::get_if<SnpReport>(&evidence);
    return report != nullptr && info.of_snp != nullptr ? info.of_snp(*report) : ClaimView();
}

std::optional<ClaimValue> value_of(const ClaimInfo& info, const JsonValue& value) {
    if (info.form == ClaimForm::number) {
        const auto number = value.integer(0, INT64_MAX);
        if (!number) return std::nullopt;
        return ClaimValue(static_cast<std::uint64_t>(*number));
    }
    if (info.form == ClaimForm::flag) {
        const auto flag = value.boolean();
        return flag ? std::optional(ClaimValue(*flag)) : std::nullopt;
    }
    const auto text = value.text();
    auto parsed = text ? parse_claim_text(info, *text)
                       : Result<ClaimValue>(tl::make_unexpected(text.error()));
    if (!parsed) return std::nullopt;
    return *std::move(parsed);
}

}  // namespace

Result<EvidenceFacts> facts_of(const Evidence& evidence) {
    EvidenceFacts out{evidence.tee, evidence.quote, {}, {}, {}, {}};
    std::optional<ReportData> bound;
    if (attestd::is_azure(evidence)) {
        ATTESTD_TRY(const AzureEvidence azure,
                    parse_azure_evidence(as_text(evidence.quote), "evidence"));
        ATTESTD_TRY(const HclBlob blob, parse_hcl_blob(azure.hcl_blob));
        out.bytes = hardware_evidence_of(azure);
        out.runtime_data = to_bytes(blob.runtime_data);
        out.vcek = azure.vcek;
        bound = blob.bound_report_data();
    }
    ATTESTD_CHECK(read_hardware(out));
    if (bound && !equal(*bound, out.report_data)) {
        return fail(Errc::hcl_binding,
                    "the hardware's report data is not the digest of the paravisor's JSON");
    }
    return out;
}

Result<void> check_claims(JsonObject& token, std::span<const ClaimPair> pairs,
                          const Claims& evidence) {
    for (const ClaimPair& pair : pairs) {
        const auto index = claim_index(pair.in_evidence);
        if (!index) return fail(Errc::internal, std::string(pair.in_evidence));
        const ClaimInfo& info = all_claims()[*index];
        const auto value = token.optional(pair.in_token);
        if (!value) {
            if (pair.need == Need::may_be_absent) continue;
            return fail(Errc::token_evidence,
                        fmt::format("the token does not say {}: whose evidence was judged?",
                                    pair.in_token));
        }
        const ClaimView ours = view_of(info, evidence);
        const auto theirs = value_of(info, *value);
        if (theirs && equal(ours, *theirs)) continue;
        return fail(
            Errc::token_evidence,
            fmt::format("{} is {} in the token and {} in the evidence", pair.in_token,
                        escaped(value->raw().dump(), kMaxShownClaim), claim_text(info, ours)));
    }
    return {};
}

Result<ReportData> report_data_claim(JsonObject& token, std::string_view name) {
    ATTESTD_TRY(const std::string text, text_claim(token, name));
    auto bytes = array_from_hex<sizeof(ReportData)>(text, name);
    if (!bytes) return fail(Errc::token_evidence, bytes.error().detail);
    return bytes;
}

}  // namespace attestd::remote
