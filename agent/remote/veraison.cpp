#include "agent/remote/veraison.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/kbs/ear.h"
#include "agent/log.h"
#include "agent/remote/service.h"
#include "quote/amd/cert_table.h"
#include "quote/base/base64url.h"
#include "quote/base/secret.h"

namespace attestd::remote {
namespace {

using nlohmann::json;

constexpr std::string_view kApi = "/challenge-response/v1/";
constexpr std::string_view kSessionType =
    "application/vnd.veraison.challenge-response-session+json";
constexpr std::string_view kTsmReport = "application/vnd.veraison.tsm-report+json";
constexpr std::string_view kEarProfile = "tag:github.com,2023:veraison/ear";
constexpr std::size_t kMaxSessionIdLen = 64, kMaxAccepted = 256;
constexpr std::chrono::milliseconds kPollPause{250};
constexpr std::chrono::seconds kFarewell{2};  // for a session's deletion
constexpr unsigned kOk = 200, kCreated = 201, kAccepted = 202, kNoContent = 204;

// "session/ID", relative to the API; never an address to go to.
Result<std::string> session_id_of(const FetchResponse& answer) {
    constexpr std::string_view kPrefix = "session/";
    std::string_view text = answer.header("location");
    const auto at = text.rfind(kPrefix);
    const std::string_view id =
        at == text.npos ? std::string_view() : text.substr(at + kPrefix.size());
    const bool is_plain = !id.empty() && id.size() <= kMaxSessionIdLen &&
                          std::all_of(id.begin(), id.end(), [](char c) {
                              return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                                     (c >= 'A' && c <= 'Z') || c == '-';
                          });
    if (is_plain) return std::string(id);
    return fail(
        Errc::remote_verifier_protocol,
        fmt::format("newSession: its Location \"{}\" names no session", escaped(text, 100)));
}

Result<void> check_new_session(const FetchResponse& answer, const std::string& nonce) {
    ATTESTD_TRY(const auto document, parse_answer(answer, kMaxNonceAnswer, "newSession"));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(std::string given, answer_text(in, "nonce"));
    while (given.ends_with('=')) given.pop_back();
    if (given != nonce) {
        return fail(Errc::remote_verifier_protocol,
                    "newSession: the session's nonce is another than the one that was given");
    }
    const auto accept = in.optional("accept");
    const auto types = accept ? accept->array(kMaxAccepted)
                              : Result<std::vector<JsonValue>>(fail(Errc::missing_key, ""));
    const bool is_accepted =
        types && std::any_of(types->begin(), types->end(), [](const JsonValue& type) {
            return type.is_text() && type.text() == std::string(kTsmReport);
        });
    if (is_accepted) return {};
    return fail(Errc::remote_verifier_protocol,
                fmt::format("newSession: the service does not take {}", kTsmReport));
}

// The host's table, with the leaf and its issuers.
Result<std::string> report_json(const Evidence& evidence) {
    for (const Bytes& endorsement : evidence.endorsements) {
        const auto table = parse_cert_table(endorsement);
        const bool has_leaf =
            table && std::any_of(table->begin(), table->end(), [](const CertTableEntry& entry) {
                return entry.kind == CertTableEntryKind::vcek ||
                       entry.kind == CertTableEntryKind::vlek;
            });
        if (!has_leaf) continue;
        json out = json::object();
        out["provider"] = "sev_guest";
        out["outblob"] = to_base64url(evidence.quote);
        out["auxblob"] = to_base64url(endorsement);
        return out.dump();
    }
    return fail(Errc::leaf_missing,
                "Veraison wants the host's table of certificates, and the host gave none with a "
                "VCEK or VLEK");
}

// "eat_nonce": a text, or a list with one; base64url of our 64 bytes, with padding or without.
Result<void> check_eat_nonce(JsonObject& claims, const ReportData& expected) {
    const auto value = claims.optional("eat_nonce");
    if (!value) return fail(Errc::token_nonce, "the token names no nonce (\"eat_nonce\")");
    std::string text;
    if (value->is_text()) {
        text = value->text().value_or("");
    } else if (const auto list = value->array(1); list && list->size() == 1) {
        text = list->front().text().value_or("");
    }
    while (text.ends_with('=')) text.pop_back();
    if (text == to_base64url(expected)) return {};
    return fail(Errc::token_nonce, "eat_nonce is another than this session's");
}

// "ear.raw-evidence", where it is there: what was judged, as it was sent or within another
// envelope.
Result<void> check_raw_evidence(JsonObject& claims, ByteView quote) {
    const auto value = claims.optional("ear.raw-evidence");
    if (!value) return {};
    std::string text = value->is_text() ? value->text().value_or("") : std::string();
    while (text.ends_with('=')) text.pop_back();
    const auto raw = from_base64url(text, "ear.raw-evidence");
    if (!raw) return fail(Errc::token_malformed, raw.error().detail);
    const std::string_view judged = as_text(*raw);
    if (judged.find(as_text(quote)) != judged.npos ||
        judged.find(to_base64url(quote)) != judged.npos)
        return {};
    return fail(Errc::token_evidence, "ear.raw-evidence does not hold this machine's report");
}

}  // namespace

Result<std::unique_ptr<VerifierKind>> VeraisonKind::make(const VerifierConfig& config,
                                                         Surroundings around) {
    ATTESTD_TRY(TokenKeys keys, TokenKeys::make(*config.remote, around.fetcher, around.boot));
    return std::unique_ptr<VerifierKind>(
        new VeraisonKind(config, std::move(keys), std::move(around)));
}

Result<ReportData> VeraisonKind::challenge(ByteView nonce, Fetcher::Deadline deadline) {
    session_url_.clear();
    const ReportData out = session_report_data(nonce);
    const std::string text = to_base64url(out);
    FetchRequest request = json_request(
        fmt::format("{}{}newSession?nonce={}", config_.url, kApi, text), "", kSessionType);
    request.method = "POST";
    ATTESTD_TRY(const FetchResponse answer, fetch(request, deadline));
    ATTESTD_CHECK(check_status(answer, {kCreated}, Asked::other, "newSession"));
    ATTESTD_TRY(const std::string id, session_id_of(answer));
    std::string url = fmt::format("{}{}session/{}", config_.url, kApi, id);
    if (auto good = check_new_session(answer, text); !good) {
        drop_session(url);
        return tl::make_unexpected(std::move(good).error());
    }
    session_url_ = std::move(url);
    return out;
}

Result<std::string> VeraisonKind::result_of(const std::string& url, const std::string& body,
                                            Fetcher::Deadline deadline) {
    FetchRequest request = json_request(url, body, kSessionType);
    request.content_type = kTsmReport;
    for (;;) {
        ATTESTD_TRY(FetchResponse answer, fetch(request, deadline));
        ATTESTD_CHECK(check_status(answer, {kOk, kAccepted}, Asked::evidence, "session"));
        ATTESTD_TRY(const auto document, parse_answer(answer, kMaxTokenAnswer, "session"));
        ATTESTD_TRY(JsonObject in, document.root().object());
        ATTESTD_TRY(const std::string status, answer_text(in, "status"));
        if (status == "complete") {
            auto token = answer_text(in, "result");
            wipe_bytes(answer.body);
            return token;
        }
        if (status == "failed") {
            return fail(Errc::remote_verifier_refused,
                        "session: it failed, which is all that the service says");
        }
        if (status != "processing") {
            return fail(
                Errc::remote_verifier_protocol,
                fmt::format("session: status \"{}\" is none of its own", escaped(status, 32)));
        }
        if (std::chrono::steady_clock::now() + kPollPause >= deadline) {
            return fail(Errc::remote_verifier_failed,
                        "session: it was still \"processing\" when the time was over");
        }
        around().sleep(kPollPause);
        request = json_request(url, "", kSessionType);
    }
}

// Best effort, after all else: a session that stays ends by itself within minutes. What the service
// says to it, "Retry-After" included, is no word on appraisals.
void VeraisonKind::drop_session(const std::string& url) {
    FetchRequest request = json_request(url, "", kSessionType);
    request.method = "DELETE";
    const auto answer =
        around().fetcher->fetch(request, std::chrono::steady_clock::now() + kFarewell);
    if (answer && (answer->status == kNoContent || answer->status == kOk)) return;
    log_event(
        LogLevel::debug, "veraison.session-stays",
        {{"why", answer ? fmt::format("status {}", answer->status) : to_string(answer.error())}});
}

Result<void> VeraisonKind::judge(JsonObject& claims, const ReportData& expected) const {
    ATTESTD_TRY(const std::string profile, text_claim(claims, "eat_profile"));
    if (profile != kEarProfile) {
        return fail(Errc::token_malformed,
                    fmt::format("eat_profile is \"{}\", not Veraison's", escaped(profile, 100)));
    }
    ATTESTD_CHECK(check_eat_nonce(claims, expected));
    const auto submods = claims.required("submods");
    if (!submods) return fail(Errc::token_malformed, submods.error().detail);
    ATTESTD_TRY(const kbs::EarStanding standing, kbs::ear_standing_of(*submods));
    return kbs::check_ear(standing, config_.accept_warning, config_.policies);
}

Result<VeraisonKind::Word> VeraisonKind::ask(const Evidence& evidence, const EvidenceFacts& facts,
                                             const ReportData& expected, Time now,
                                             Fetcher::Deadline deadline) {
    const std::string url = std::exchange(session_url_, {});
    auto word = ask_session(url, evidence, facts, expected, now, deadline);
    drop_session(url);
    return word;
}

Result<VeraisonKind::Word> VeraisonKind::ask_session(const std::string& url,
                                                     const Evidence& evidence,
                                                     const EvidenceFacts& facts,
                                                     const ReportData& expected, Time now,
                                                     Fetcher::Deadline deadline) {
    const bool is_plain_snp =
        facts.tee == Tee::snp && !facts.is_azure() && evidence.service_manifest.empty();
    if (!is_plain_snp) {
        return fail(Errc::platform_unsupported,
                    "Veraison is asked about SEV-SNP reports alone, without a paravisor or SVSM");
    }
    ATTESTD_TRY(const std::string body, report_json(evidence));
    Word out;
    ATTESTD_TRY(out.token, result_of(url, body, deadline));
    const TokenRules rules{kEarAlgorithms, config_.issuer, config_.audience, TokenEnd::optional};
    ATTESTD_TRY(const VerifiedToken token, verify_token(out.token, rules, keys_, now, deadline));
    out.times = token.times;
    ATTESTD_TRY(JsonObject claims, token.claims.root().object());
    ATTESTD_CHECK(judge(claims, expected));
    ATTESTD_CHECK(check_raw_evidence(claims, evidence.quote));
    out.statement.report_data = expected;
    return out;
}

}  // namespace attestd::remote
