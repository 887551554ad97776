#include "agent/remote/remote_kind.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/kbs/answer.h"
#include "quote/base/encoding.h"

namespace attestd::remote {
namespace {

constexpr std::string_view kSessionMember = "attestd-session";

// What speaks of the evidence or of the token; anything else says no more than that the service
// could not be asked.
bool is_refusal(Errc code) noexcept {
    switch (code) {
        case Errc::remote_verifier_refused:
        case Errc::kbs_refused:
        case Errc::kbs_denied:
        case Errc::token_malformed:
        case Errc::token_algorithm:
        case Errc::token_untrusted:
        case Errc::token_signature:
        case Errc::token_expired:
        case Errc::token_issuer:
        case Errc::token_audience:
        case Errc::token_nonce:
        case Errc::token_key:
        case Errc::token_evidence:
        case Errc::token_not_affirming:
        case Errc::leaf_revoked:
        case Errc::intermediate_revoked:
        case Errc::crl_malformed:
        case Errc::crl_issuer:
        case Errc::crl_signature:
        case Errc::crl_expired:
        case Errc::crl_not_yet_valid:
            return true;
        default:
            return false;
    }
}

bool has_error(const Findings& findings) {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& f) { return f.severity == Severity::error; });
}

}  // namespace

Finding refusal(const Error& error) {
    return {std::string(errc_name(error.code)), Severity::error, error.detail};
}

std::string session_data(ByteView nonce) {
    return fmt::format(R"({{"{}":"{}"}})", kSessionMember, to_hex(nonce));
}

bool holds_session_data(JsonObject& claims, ByteView nonce) {
    const auto value = claims.optional(kSessionMember);
    return value && value->is_text() && value->text() == to_hex(nonce);
}

Result<FetchResponse> RemoteKind::fetch(const FetchRequest& request, Fetcher::Deadline deadline) {
    ATTESTD_TRY(FetchResponse answer, around_.fetcher->fetch(request, deadline));
    note_pause(answer.status, answer.header("retry-after"));
    return answer;
}

Result<SecretFetchResponse> RemoteKind::fetch_secret(const FetchRequest& request,
                                                     Fetcher::Deadline deadline) {
    ATTESTD_TRY(SecretFetchResponse answer, around_.fetcher->fetch_secret(request, deadline));
    note_pause(answer.status, answer.header("retry-after"));
    return answer;
}

void RemoteKind::note_pause(unsigned status, std::string_view retry_after) {
    constexpr unsigned kThrottled = 429, kUnavailable = 503;
    if (status != kThrottled && status != kUnavailable) return;
    if (const auto pause = parse_retry_after(retry_after)) not_before_ = around_.boot() + *pause;
}

Result<ReportData> RemoteKind::begin(ByteView nonce) {
    has_begun_ = false;
    const auto left = std::chrono::ceil<std::chrono::seconds>(not_before_ - around_.boot());
    if (left > std::chrono::seconds::zero()) {
        return fail(Errc::remote_verifier_throttled,
                    fmt::format("it is not asked for another {} s, as it wished", left.count()));
    }
    ATTESTD_TRY(const ReportData out,
                challenge(nonce, std::chrono::steady_clock::now() + timeout_));
    has_begun_ = true;
    return out;
}

Result<RemoteKind::Word> RemoteKind::judged(const Evidence& evidence, const ReportData& expected,
                                            Time now) {
    const auto facts = facts_of(evidence);
    if (!facts) {
        Word out;
        out.statement.report_data = expected;
        out.statement.findings.push_back(refusal(facts.error()));
        return out;
    }
    return ask(evidence, *facts, expected, now, std::chrono::steady_clock::now() + timeout_);
}

Result<void> RemoteKind::keep_token(Word& word) {
    ATTESTD_TRY(Secret text, Secret::copy_of(as_bytes(word.token)));
    token_ = std::make_shared<const VerifierToken>(
        VerifierToken{std::move(text), *word.statement.valid_until});
    return {};
}

Result<AttestationResult> RemoteKind::appraise(const Evidence& evidence,
                                               const Expectations& expected, Time now) {
    token_.reset();
    if (!std::exchange(has_begun_, false) || !expected.report_data)
        return fail(Errc::internal, "a verifier was asked without a challenge");
    auto word = judged(evidence, *expected.report_data, now);
    if (!word && !is_refusal(word.error().code)) return tl::make_unexpected(word.error());
    VerifierStatement statement;
    if (word) {
        statement = word->statement;
        statement.valid_until = word->times.expires.value_or(
            word->times.issued + std::chrono::floor<std::chrono::seconds>(max_age_));
        word->statement.valid_until = statement.valid_until;
    } else {
        statement.report_data = expected.report_data;  // refused for another reason
        statement.findings.push_back(refusal(word.error()));
    }
    statement.grade = grade_;
    statement.verdict = has_error(statement.findings) ? Verdict::refused : Verdict::accepted;
    AttestationResult result = result_of_statement(evidence, statement, expected, grade_, now);
    if (word && result.verdict() == Verdict::accepted) ATTESTD_CHECK(keep_token(*word));
    return result;
}

}  // namespace attestd::remote
