#include "quote/azure/azure_evidence.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "quote/azure/hcl_blob.h"
#include "quote/azure/tpm_quote.h"
#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "quote/intel/quote.h"

namespace attestd {
namespace {

// Its NUL belongs to it.
constexpr std::string_view kNonceDomain("attestd vtpm nonce v1\0", 22);
constexpr JsonLimits kEvidenceLimits{std::size_t{1} << 18, 8};
constexpr std::size_t kMaxCertificateLen = 16384;
constexpr std::size_t kMaxSignatureLen = 1024;  // the parser of signatures is stricter

Result<Bytes> hex_member(JsonObject& in, std::string_view key, std::size_t max_len) {
    ATTESTD_TRY(const JsonValue value, in.required(key));
    ATTESTD_TRY(const std::string text, value.text());
    if (text.size() > 2 * max_len)
        return value.fail_here(Errc::too_large, fmt::format("over {} bytes", max_len));
    return from_hex(text, value.where());
}

// Base64url with padding; empty when the member is absent.
Result<Bytes> blob_member(JsonObject& in, std::string_view key, std::size_t max_len) {
    const auto value = in.optional(key);
    if (!value) return Bytes{};
    ATTESTD_TRY(const std::string text, value->text());
    ATTESTD_TRY(Bytes bytes, from_base64url(text, value->where(), Base64Padding::full));
    if (bytes.empty() || bytes.size() > max_len) {
        return value->fail_here(Errc::bad_length, fmt::format("{} bytes, between 1 and {} are "
                                                              "possible",
                                                              bytes.size(), max_len));
    }
    return bytes;
}

Result<void> parse_pcrs(const JsonValue& value, VtpmQuote& out) {
    ATTESTD_TRY(const auto values, value.array(kNumPcrs));
    if (values.size() != kNumPcrs) {
        return value.fail_here(Errc::bad_length,
                               fmt::format("{} values, PCR 0 to 23 are expected", values.size()));
    }
    for (std::size_t i = 0; i < kNumPcrs; ++i) {
        ATTESTD_TRY(const std::string hex, values[i].text());
        ATTESTD_TRY(out.pcrs.at(i), array_from_hex<32>(hex, values[i].where()));
    }
    return {};
}

Result<VtpmQuote> parse_quote_members(JsonObject& in) {
    VtpmQuote out{};
    ATTESTD_TRY(out.message, hex_member(in, "message", kMaxTpmAttestLen));
    ATTESTD_TRY(out.signature, hex_member(in, "signature", kMaxSignatureLen));
    auto pcrs = in.optional("pcrs_sha256");
    if (!pcrs) {
        ATTESTD_TRY(pcrs, in.required("pcrs"));
    }
    ATTESTD_CHECK(parse_pcrs(*pcrs, out));
    ATTESTD_CHECK(in.finish());
    return out;
}

bool has_members(std::string_view text, std::string_view all_of, std::string_view none_of) {
    const auto document = JsonDocument::parse(text, "", kEvidenceLimits);
    if (!document) return false;
    auto object = document->root().object();
    return object && object->optional(all_of) && !object->optional(none_of);
}

}  // namespace

bool looks_like_azure_evidence(std::string_view text) {
    return has_members(text, "hcl_report", "attestd_bundle");
}

bool looks_like_vtpm_quote(std::string_view text) {
    return has_members(text, "message", "hcl_report");
}

Result<AzureEvidence> parse_azure_evidence(std::string_view text, std::string name) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(text, std::move(name), kEvidenceLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue version_value, in.required("version"));
    ATTESTD_TRY(const std::int64_t version, version_value.integer(0, INT32_MAX));
    if (version != 1 && version != 2)
        return version_value.fail_here(Errc::unsupported_version, "known are 1 and 2");
    AzureEvidence out;
    out.user_data = version == 2 ? UserDataRule::nonce : UserDataRule::free;
    ATTESTD_TRY(out.hcl_blob, blob_member(in, "hcl_report", kMaxHclBlobLen));
    if (out.hcl_blob.empty()) ATTESTD_CHECK(in.required("hcl_report"));
    ATTESTD_TRY(out.vcek, blob_member(in, "vcek", kMaxCertificateLen));
    ATTESTD_TRY(out.td_quote, blob_member(in, "td_quote", kMaxQuoteLen));
    if (const auto quote = in.optional("tpm_quote")) {
        ATTESTD_TRY(JsonObject members, quote->object());
        ATTESTD_TRY(out.vtpm_quote, parse_quote_members(members));
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

std::string write_azure_evidence(const AzureEvidence& evidence) {
    const auto blob = [](ByteView bytes) { return to_base64url(bytes, Base64Padding::full); };
    nlohmann::ordered_json out;
    out["version"] = evidence.user_data == UserDataRule::nonce ? 2 : 1;
    if (const auto& quote = evidence.vtpm_quote) {
        auto& into = out["tpm_quote"];
        into["signature"] = to_hex(quote->signature);
        into["message"] = to_hex(quote->message);
        for (const Sha256& pcr : quote->pcrs) into["pcrs"].push_back(to_hex(pcr));
    }
    out["hcl_report"] = blob(evidence.hcl_blob);
    if (!evidence.vcek.empty()) out["vcek"] = blob(evidence.vcek);
    if (!evidence.td_quote.empty()) out["td_quote"] = blob(evidence.td_quote);
    return out.dump();
}

Bytes vtpm_nonce(const ByteArray<64>& report_data) {
    const ByteView all(report_data);
    const ByteView digest = all.first(sizeof(Sha384));
    if (all_zero(all.subspan(digest.size()))) return to_bytes(digest);
    // With a word of its own before it: no digest that somebody asked for is ever this one.
    return to_bytes(sha384({as_bytes(kNonceDomain), all}));
}

Bytes hardware_evidence_of(const AzureEvidence& evidence) {
    const auto blob = parse_hcl_blob(evidence.hcl_blob);
    const bool snp = blob && blob->report_type == HclReportType::snp;
    return snp ? to_bytes(blob->hardware_report) : evidence.td_quote;
}

Result<VtpmQuote> parse_vtpm_quote(std::string_view text, std::string name) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(text, std::move(name), kEvidenceLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    return parse_quote_members(in);
}

}  // namespace attestd
