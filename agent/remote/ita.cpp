#include "agent/remote/ita.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/remote/service.h"
#include "agent/remote/tdx_claims.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"

namespace attestd::remote {
namespace {

using nlohmann::json;

constexpr std::array<JwsAlgorithm, 2> kItaAlgorithms{JwsAlgorithm::ps384, JwsAlgorithm::rs256};
constexpr std::size_t kMaxItaNonceLen = 4096;  // of the whole answer
constexpr std::size_t kMaxApiKeyLen = 1024;
constexpr std::size_t kMaxMatched = 256;

// The file's line, as a header of its own; the caller wipes it.
Result<std::string> read_api_key(const std::filesystem::path& path) {
    ATTESTD_TRY(Bytes bytes, read_file(path, kMaxApiKeyLen));
    std::string key(as_text(bytes));
    wipe_bytes(bytes);
    while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
    const bool is_good = !key.empty() && std::all_of(key.begin(), key.end(),
                                                     [](char c) { return c > ' ' && c <= '~'; });
    if (is_good) return key;
    OPENSSL_cleanse(key.data(), key.size());
    return fail(Errc::bad_value, path.string() + ": one line with the API key is expected");
}

}  // namespace

Result<std::unique_ptr<VerifierKind>> ItaKind::make(const VerifierConfig& config,
                                                    Surroundings around) {
    ATTESTD_TRY(TokenKeys keys, TokenKeys::make(*config.remote, around.fetcher, around.boot,
                                                KeySetEntries::chains));
    return std::unique_ptr<VerifierKind>(new ItaKind(config, std::move(keys), std::move(around)));
}

Result<FetchResponse> ItaKind::call(FetchRequest request, Fetcher::Deadline deadline) {
    ATTESTD_TRY(std::string key, read_api_key(config_.api_key_file));
    request.headers.emplace_back("x-api-key", std::move(key));
    auto answer = fetch(request, deadline);
    std::string& sent = request.headers.back().second;
    OPENSSL_cleanse(sent.data(), sent.size());
    return answer;
}

Result<ItaKind::Nonce> ItaKind::parse_nonce(const FetchResponse& answer) {
    ATTESTD_TRY(const auto document, parse_answer(answer, kMaxItaNonceLen, "nonce"));
    ATTESTD_TRY(JsonObject in, document.root().object());
    Nonce out;
    ATTESTD_TRY(out.val, answer_text(in, "val"));
    ATTESTD_TRY(out.iat, answer_text(in, "iat"));
    ATTESTD_TRY(out.signature, answer_text(in, "signature"));
    if (const auto all = in.finish(); !all) return protocol_error(all.error());
    for (const std::string* part : {&out.val, &out.iat, &out.signature}) {
        const auto bytes = from_base64(*part, "nonce");
        if (!bytes) return protocol_error(bytes.error());
        if (part != &out.signature) out.bound.insert(out.bound.end(), bytes->begin(), bytes->end());
    }
    return out;
}

Result<ReportData> ItaKind::challenge(ByteView nonce, Fetcher::Deadline deadline) {
    ATTESTD_TRY(const FetchResponse answer,
                call(json_request(config_.url + "/appraisal/v2/nonce", ""), deadline));
    ATTESTD_CHECK(check_status(answer, {200}, Asked::other, "nonce"));
    ATTESTD_TRY(theirs_, parse_nonce(answer));
    ours_ = to_bytes(nonce);
    const std::string data = session_data(ours_);
    return sha512({ByteView(theirs_.bound), as_bytes(data)});
}

std::string ItaKind::attest_body(const EvidenceFacts& facts) const {
    const std::string data = to_base64(as_bytes(session_data(ours_)));
    json tdx = json::object();
    tdx["quote"] = to_base64(facts.bytes);
    tdx["runtime_data"] = facts.is_azure() ? to_base64(facts.runtime_data) : data;
    if (facts.is_azure()) tdx["user_data"] = data;
    tdx["verifier_nonce"] = {
        {"val", theirs_.val}, {"iat", theirs_.iat}, {"signature", theirs_.signature}};
    json out = json::object();
    out["tdx"] = std::move(tdx);
    if (!config_.policies.empty()) {
        out["policy_ids"] = config_.policies;
        out["policy_must_match"] = true;
    }
    out["token_signing_alg"] = "PS384";
    return out.dump();
}

Result<void> ItaKind::check_binding(JsonObject& claims, const EvidenceFacts& facts,
                                    const ReportData& expected) const {
    ATTESTD_TRY(JsonObject nonce, object_claim(claims, "verifier_nonce"));
    ATTESTD_TRY(const std::string val, text_claim(nonce, "val"));
    ATTESTD_TRY(const std::string iat, text_claim(nonce, "iat"));
    if (val != theirs_.val || iat != theirs_.iat)
        return fail(Errc::token_nonce, "verifier_nonce is another than this attempt's");
    // Below a paravisor, our data is the user's and the paravisor's JSON the runtime's.
    const std::string_view object_name =
        facts.is_azure() ? "attester_user_data" : "attester_runtime_data";
    const auto held = claims.optional("attester_held_data");
    const auto object = claims.optional(object_name);
    if (!held && !object)
        return fail(Errc::token_nonce, "the token does not say which data of ours was bound");
    if (held && (!held->is_text() || held->text() != to_base64(as_bytes(session_data(ours_)))))
        return fail(Errc::token_nonce, "attester_held_data is another than this attempt's");
    if (object) {
        auto members = object->object();
        if (!members || !holds_session_data(*members, ours_)) {
            return fail(Errc::token_nonce,
                        fmt::format("{} is another than this attempt's", object_name));
        }
    }
    ATTESTD_TRY(const ReportData stated, report_data_claim(claims, "tdx_report_data"));
    // The hardware's report data: below a paravisor that binds its JSON, which holds ours.
    const ReportData& bound = facts.is_azure() ? facts.report_data : expected;
    if (!equal(stated, bound))
        return fail(Errc::token_evidence, "tdx_report_data is another than the evidence's");
    return {};
}

// A token is issued whether or not a policy matched.
void ItaKind::check_policies(JsonObject& claims, Findings& out) const {
    std::vector<std::string> matched;
    const auto list = claims.optional("policy_ids_matched");
    const auto elements = list ? list->array(kMaxMatched)
                               : Result<std::vector<JsonValue>>(fail(Errc::missing_key, ""));
    if (elements) {
        for (const JsonValue& element : *elements) {
            auto object = element.object();
            const auto id = object ? object->optional("id") : std::optional<JsonValue>();
            if (id && id->is_text()) matched.push_back(id->text().value_or(""));
        }
    }
    for (const std::string& wanted : config_.policies) {
        if (std::find(matched.begin(), matched.end(), wanted) != matched.end()) continue;
        out.push_back({"policy.unmatched", Severity::error,
                       fmt::format("policy {} is not among policy_ids_matched", wanted)});
    }
}

Result<ItaKind::Word> ItaKind::ask(const Evidence& /*evidence*/, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) {
    if (facts.tee != Tee::tdx) {
        return fail(Errc::platform_unsupported,
                    "Intel Trust Authority is asked about TDX alone, and this machine is SEV-SNP: "
                    "\"verifier.type\" must be another (local, maa, veraison, kbs, coco_as)");
    }
    const std::string path =
        facts.is_azure() ? "/appraisal/v2/attest/azure" : "/appraisal/v2/attest";
    ATTESTD_TRY(FetchResponse answer,
                call(json_request(config_.url + path, attest_body(facts)), deadline));
    ATTESTD_CHECK(check_status(answer, {200}, Asked::evidence, "attest"));
    Word out;
    ATTESTD_TRY(out.token, token_of(answer, "token"));
    const TokenRules rules{kItaAlgorithms, config_.issuer, config_.audience};
    ATTESTD_TRY(const VerifiedToken token, verify_token(out.token, rules, keys_, now, deadline));
    out.times = token.times;
    out.statement.findings = keys_.take_warnings();
    ATTESTD_TRY(JsonObject all, token.claims.root().object());
    // Version 2 has a member for each kind of evidence, version 1 has the claims at the top.
    const auto below = all.optional("tdx");
    ATTESTD_TRY(JsonObject claims, below ? object_claim(all, "tdx") : token.claims.root().object());
    ATTESTD_TRY(const std::string type, text_claim(claims, "attester_type"));
    if (!facts.is_azure() && type != "TDX")
        return fail(Errc::token_evidence, "attester_type is not TDX");
    ATTESTD_CHECK(check_binding(claims, facts, expected));
    ATTESTD_CHECK(check_td_claims(claims, facts.claims));
    appraise_td_claims(claims, config_.accept_warning, out.statement.findings);
    check_policies(claims, out.statement.findings);
    out.statement.report_data = expected;
    return out;
}

}  // namespace attestd::remote
