#include "agent/remote/coco_as.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/kbs/ear.h"
#include "agent/kbs/messages.h"
#include "agent/kbs/runtime_data.h"
#include "agent/log.h"
#include "agent/remote/service.h"
#include "agent/remote/trustee_claims.h"
#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "quote/base/secret.h"

namespace attestd::remote {
namespace {

using nlohmann::json;

constexpr std::string_view kTrusteeProfile = "tag:github.com,2024:confidential-containers/Trustee";
constexpr std::string_view kHashAlgorithm = "sha384";  // which a vTPM quotes unpadded, too
constexpr std::array<std::string_view, 4> kTokenTypes{
    "text/plain", "application/jwt", "application/eat+jwt", "application/octet-stream"};

// What the service hashes: its canonical JSON (RFC 8785) is what dump() writes of one text.
json runtime_data(const std::string& nonce) { return {{"nonce", nonce}}; }

Bytes runtime_digest(const std::string& nonce) {
    return kbs::digest_of(runtime_data(nonce).dump(), kbs::HashName::sha384);
}

// The whole body, but for a line's end. Whatever stands between may answer 200, too: what is no
// token by its form was not said by an attestation service.
Result<std::string> plain_token(FetchResponse& answer) {
    const std::string_view type = answer.header("content-type");
    const std::string_view media = type.substr(0, std::min(type.find(';'), type.size()));
    const bool is_known = type.empty() || std::find(kTokenTypes.begin(), kTokenTypes.end(),
                                                    media) != kTokenTypes.end();
    if (!is_known) {
        return fail(Errc::remote_verifier_protocol,
                    fmt::format("attestation: the answer is of type \"{}\", not a token as text",
                                escaped(type, 64)));
    }
    std::string_view text = as_text(answer.body);
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    const bool is_token = std::count(text.begin(), text.end(), '.') == 2 &&
                          std::all_of(text.begin(), text.end(), [](char c) {
                              return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                                     (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.';
                          });
    if (!is_token) {
        return fail(Errc::remote_verifier_protocol,
                    "attestation: the answer's body is no token in compact form");
    }
    std::string out(text);
    wipe_bytes(answer.body);
    return out;
}

// The runtime data must be ours and nothing more: a key that we did not bind is another's.
Result<void> check_runtime_claims(JsonObject& annotated, const std::string& nonce) {
    ATTESTD_TRY(JsonObject runtime, object_claim(annotated, "runtime_data_claims"));
    ATTESTD_TRY(const std::string stated, text_claim(runtime, "nonce"));
    if (stated != nonce)
        return fail(Errc::token_nonce, "runtime_data_claims.nonce is another than this attempt's");
    const auto more = runtime.rest();
    if (more.empty()) return {};
    const std::string& name = more.front().first;
    return fail(name == "tee-pubkey" ? Errc::token_key : Errc::token_nonce,
                fmt::format("runtime_data_claims has \"{}\", which this attempt did not bind",
                            escaped(name, 64)));
}

}  // namespace

Result<std::unique_ptr<VerifierKind>> CocoAsKind::make(const VerifierConfig& config,
                                                       Surroundings around) {
    const auto& init_data = config.remote->init_data;
    if (init_data && !kbs::is_utf8(as_text(init_data->bytes)))
        return fail(Errc::bad_value, init_data->path.string() + ": init-data must be UTF-8 text");
    ATTESTD_TRY(TokenKeys keys, TokenKeys::make(*config.remote, around.fetcher, around.boot));
    return std::unique_ptr<VerifierKind>(
        new CocoAsKind(config, std::move(keys), std::move(around)));
}

Result<ReportData> CocoAsKind::challenge(ByteView nonce, Fetcher::Deadline /*deadline*/) {
    nonce_ = to_hex(nonce);
    return kbs::report_data_of(runtime_digest(nonce_));
}

Result<std::string> CocoAsKind::attestation_body(const Evidence& evidence) const {
    ATTESTD_TRY(const json primary, kbs::primary_evidence(evidence, runtime_digest(nonce_)));
    json request = json::object();
    request["tee"] = kbs::tee_name_of(kbs::kind_of(evidence), kbs::TeeSpelling::current);
    request["evidence"] = to_base64url(as_bytes(primary.dump()));
    request["runtime_data"] = {{"structured", runtime_data(nonce_)}};
    request["runtime_data_hash_algorithm"] = kHashAlgorithm;
    if (const auto& init_data = config_.init_data)
        request["init_data"] = {{"init_data_toml", as_text(init_data->bytes)}};
    json out = json::object();
    out["verification_requests"] = json::array({std::move(request)});
    out["policy_ids"] = config_.policies;
    return out.dump();
}

Result<void> CocoAsKind::judge(JsonObject& claims, const Evidence& evidence,
                               const EvidenceFacts& facts, const ReportData& expected) const {
    ATTESTD_TRY(const std::string profile, text_claim(claims, "eat_profile"));
    if (profile != kTrusteeProfile) {
        return fail(Errc::token_malformed,
                    fmt::format("eat_profile is \"{}\", not Trustee's", escaped(profile, 100)));
    }
    const auto submods = claims.required("submods");
    if (!submods) return fail(Errc::token_malformed, submods.error().detail);
    ATTESTD_TRY(const kbs::EarStanding standing, kbs::ear_standing_of(*submods));
    ATTESTD_TRY(JsonObject all, submods->object());
    ATTESTD_TRY(JsonObject cpu, object_claim(all, "cpu0"));
    ATTESTD_TRY(JsonObject annotated, object_claim(cpu, "ear.veraison.annotated-evidence"));
    ATTESTD_CHECK(check_runtime_claims(annotated, nonce_));
    // A vTPM's is the quote's own, whose form the service does not tell.
    if (!facts.is_azure()) {
        ATTESTD_TRY(const ReportData stated, report_data_claim(annotated, "report_data"));
        if (!equal(stated, expected))
            return fail(Errc::token_evidence, "report_data is another than the evidence's");
    }
    ATTESTD_CHECK(kbs::check_ear(standing, config_.accept_warning, config_.policies));
    return check_trustee_claims(annotated, facts, kbs::kind_of(evidence));
}

Result<CocoAsKind::Word> CocoAsKind::ask(const Evidence& evidence, const EvidenceFacts& facts,
                                         const ReportData& expected, Time now,
                                         Fetcher::Deadline deadline) {
    ATTESTD_TRY(const std::string text, attestation_body(evidence));
    FetchRequest request = json_request(config_.url + "/attestation", text, "*/*");
    ATTESTD_TRY(FetchResponse answer, fetch(request, deadline));
    ATTESTD_CHECK(check_status(answer, {200}, Asked::evidence, "attestation"));
    Word out;
    ATTESTD_TRY(out.token, plain_token(answer));
    const TokenRules rules{kEarAlgorithms, config_.issuer, config_.audience};
    ATTESTD_TRY(const VerifiedToken token, verify_token(out.token, rules, keys_, now, deadline));
    out.times = token.times;
    ATTESTD_TRY(JsonObject claims, token.claims.root().object());
    ATTESTD_CHECK(judge(claims, evidence, facts, expected));
    out.statement.report_data = expected;
    return out;
}

}  // namespace attestd::remote
