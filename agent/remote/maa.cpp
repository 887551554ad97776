#include "agent/remote/maa.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/log.h"
#include "agent/remote/service.h"
#include "agent/remote/tdx_claims.h"
#include "quote/amd/cert_table.h"
#include "quote/base/base64url.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/x509/pem.h"

namespace attestd::remote {
namespace {

using nlohmann::json;

constexpr std::array<JwsAlgorithm, 1> kMaaAlgorithms{JwsAlgorithm::rs256};
constexpr std::size_t kMaxShownCompliance = 64;
constexpr std::string_view kCompliant = "azure-compliant-cvm";

constexpr auto kSnpPairs = std::to_array<ClaimPair>({
    {"x-ms-sevsnpvm-launchmeasurement", "measurement", Need::must_be_there},
    {"x-ms-sevsnpvm-hostdata", "host_data", Need::must_be_there},
    {"x-ms-sevsnpvm-reportid", "report_id", Need::must_be_there},
    {"x-ms-sevsnpvm-idkeydigest", "id_key_digest", Need::may_be_absent},
    {"x-ms-sevsnpvm-authorkeydigest", "author_key_digest", Need::may_be_absent},
    {"x-ms-sevsnpvm-familyId", "family_id", Need::may_be_absent},
    {"x-ms-sevsnpvm-imageId", "image_id", Need::may_be_absent},
    {"x-ms-sevsnpvm-guestsvn", "guest_svn", Need::may_be_absent},
    {"x-ms-sevsnpvm-vmpl", "vmpl", Need::may_be_absent},
});

std::string padded(ByteView bytes) { return to_base64url(bytes, Base64Padding::full); }

std::string certificate_pem(ByteView bytes) {
    if (!looks_like_pem(bytes)) return to_pem("CERTIFICATE", bytes);
    std::string out(as_text(bytes));
    if (!out.ends_with('\n')) out += '\n';
    return out;
}

// The leaf, then its issuers: of the host's table, and below a paravisor what came with it.
Result<std::string> chain_of(const Evidence& evidence, const EvidenceFacts& facts,
                             const std::string& issuers) {
    std::string leaf, rest;
    if (!facts.vcek.empty()) leaf = certificate_pem(facts.vcek);
    for (const Bytes& endorsement : evidence.endorsements) {
        const auto table = parse_cert_table(endorsement);
        if (!table) continue;
        for (const CertTableEntry& entry : *table) {
            const bool is_leaf =
                entry.kind == CertTableEntryKind::vcek || entry.kind == CertTableEntryKind::vlek;
            if (is_leaf && leaf.empty()) leaf = certificate_pem(entry.data);
            if (entry.kind == CertTableEntryKind::ask) rest.insert(0, certificate_pem(entry.data));
            if (entry.kind == CertTableEntryKind::ark) rest += certificate_pem(entry.data);
        }
    }
    if (!leaf.empty()) return leaf + rest + issuers;
    return fail(Errc::leaf_missing,
                "Azure Attestation wants the VCEK's chain, and the host gave no VCEK or VLEK");
}

void appraise_snp(JsonObject& claims, Findings& out) {
    const auto compliance = text_claim(claims, "x-ms-compliance-status");
    if (!compliance || *compliance != kCompliant) {
        out.push_back({"compliance", Severity::error,
                       compliance ? fmt::format("x-ms-compliance-status is \"{}\"",
                                                escaped(*compliance, kMaxShownCompliance))
                                  : compliance.error().detail});
    }
    appraise_debug_flag(claims, "x-ms-sevsnpvm-is-debuggable", out);
    const auto migration = claims.optional("x-ms-sevsnpvm-migration-allowed");
    if (!migration || migration->boolean().value_or(true)) {
        out.push_back(
            {"policy.migration", Severity::error, "x-ms-sevsnpvm-migration-allowed is not false"});
    }
}

Result<void> check_hardware(JsonObject& claims, const EvidenceFacts& facts) {
    const bool is_snp = facts.tee == Tee::snp;
    ATTESTD_TRY(const std::string type, text_claim(claims, "x-ms-attestation-type"));
    if (type != (is_snp ? "sevsnpvm" : "tdxvm")) {
        return fail(Errc::token_evidence, fmt::format("x-ms-attestation-type is \"{}\"",
                                                      escaped(type, kMaxShownCompliance)));
    }
    const std::string_view name = is_snp ? "x-ms-sevsnpvm-reportdata" : "tdx_report_data";
    ATTESTD_TRY(const ReportData stated, report_data_claim(claims, name));
    if (!equal(stated, facts.report_data))
        return fail(Errc::token_evidence, fmt::format("{} is another than the evidence's", name));
    return is_snp ? check_claims(claims, kSnpPairs, facts.claims)
                  : check_td_claims(claims, facts.claims);
}

}  // namespace

Result<std::unique_ptr<VerifierKind>> MaaKind::make(const VerifierConfig& config,
                                                    Surroundings around) {
    ATTESTD_TRY(TokenKeys keys, TokenKeys::make(*config.remote, around.fetcher, around.boot));
    std::string issuers;
    for (const LoadedFile& file : config.remote->endorsements) {
        const auto blocks = parse_pem(as_text(file.bytes), PemStyle::file);
        if (!blocks) return fail_in(file.path.string(), blocks.error());
        for (const PemBlock& block : *blocks) {
            if (block.label != "CERTIFICATE") {
                return fail(Errc::bad_value,
                            file.path.string() + ": certificates (PEM) are expected");
            }
            issuers += to_pem(block.label, block.der);
        }
    }
    return std::unique_ptr<VerifierKind>(
        new MaaKind(config, std::move(keys), std::move(issuers), std::move(around)));
}

Result<ReportData> MaaKind::challenge(ByteView nonce, Fetcher::Deadline /*deadline*/) {
    ours_ = to_bytes(nonce);
    const Sha256 digest = sha256(as_bytes(session_data(ours_)));
    ReportData out{};
    std::copy(digest.begin(), digest.end(), out.begin());
    return out;
}

Result<std::string> MaaKind::body(const Evidence& evidence, const EvidenceFacts& facts) const {
    const std::string data = session_data(ours_);
    json out = json::object();
    out["runtimeData"] = {
        {"data", padded(facts.is_azure() ? ByteView(facts.runtime_data) : as_bytes(data))},
        {"dataType", "JSON"}};
    if (facts.tee == Tee::tdx) {
        out["quote"] = padded(facts.bytes);
        return out.dump();
    }
    ATTESTD_TRY(const std::string chain, chain_of(evidence, facts, issuers_));
    json report = json::object();
    report["SnpReport"] = padded(facts.bytes);
    report["VcekCertChain"] = padded(as_bytes(chain));
    out["report"] = padded(as_bytes(report.dump()));
    return out.dump();
}

// In tokens of these two types there is one list of runtime claims, and it is the paravisor's or
// ours.
Result<void> MaaKind::check_runtime(JsonObject& claims, const EvidenceFacts& facts,
                                    const ReportData& expected) const {
    ATTESTD_TRY(JsonObject runtime, object_claim(claims, "x-ms-runtime"));
    if (!facts.is_azure()) {
        if (holds_session_data(runtime, ours_)) return {};
        return fail(Errc::token_nonce, "x-ms-runtime is another than this attempt's");
    }
    ATTESTD_TRY(const ReportData stated, report_data_claim(runtime, "user-data"));
    if (equal(stated, expected)) return {};
    return fail(Errc::token_nonce, "user-data of x-ms-runtime is another than this attempt's");
}

Result<void> MaaKind::check_policy(JsonObject& claims) const {
    if (config_.policies.empty()) return {};
    ATTESTD_TRY(const std::string hash, text_claim(claims, "x-ms-policy-hash"));
    const auto& wanted = config_.policies;
    if (std::find(wanted.begin(), wanted.end(), hash) != wanted.end()) return {};
    return fail(Errc::token_not_affirming,
                fmt::format("x-ms-policy-hash is \"{}\", which is not configured",
                            escaped(hash, kMaxShownCompliance)));
}

Result<MaaKind::Word> MaaKind::ask(const Evidence& evidence, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) {
    ATTESTD_TRY(const std::string text, body(evidence, facts));
    const std::string url =
        fmt::format("{}/attest/{}?api-version={}", config_.url,
                    facts.tee == Tee::snp ? "SevSnpVm" : "TdxVm", config_.api_version);
    ATTESTD_TRY(FetchResponse answer, fetch(json_request(url, text), deadline));
    ATTESTD_CHECK(check_status(answer, {200}, Asked::evidence, "attest"));
    Word out;
    ATTESTD_TRY(out.token, token_of(answer, "token"));
    const TokenRules rules{kMaaAlgorithms, config_.issuer, config_.audience};
    ATTESTD_TRY(const VerifiedToken token, verify_token(out.token, rules, keys_, now, deadline));
    out.times = token.times;
    ATTESTD_TRY(JsonObject claims, token.claims.root().object());
    ATTESTD_CHECK(check_runtime(claims, facts, expected));
    ATTESTD_CHECK(check_hardware(claims, facts));
    ATTESTD_CHECK(check_policy(claims));
    if (facts.tee == Tee::snp)
        appraise_snp(claims, out.statement.findings);
    else
        appraise_td_claims(claims, config_.accept_warning, out.statement.findings);
    out.statement.report_data = expected;
    return out;
}

}  // namespace attestd::remote
