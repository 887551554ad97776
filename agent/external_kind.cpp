#include "agent/external_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/log.h"
#include "agent/platform/evidence_json.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "verifier/verifier.h"

namespace attestd {
namespace {

constexpr JsonLimits kStatementLimits{std::size_t{1} << 20, /*max_depth=*/4};
constexpr std::size_t kMaxFindings = 256;
constexpr std::size_t kMaxFindingIdLen = 100, kMaxFindingDetailLen = 1000;
constexpr std::size_t kMaxShownProblem = 200;
constexpr unsigned kStatusOk = 200;

bool is_finding_id(std::string_view text) noexcept {
    return !text.empty() && text.size() <= kMaxFindingIdLen &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
           });
}

Result<Severity> severity_of(const JsonValue& value) {
    ATTESTD_TRY(const std::string name, value.text());
    for (const Severity severity : {Severity::info, Severity::warning, Severity::error}) {
        if (name == severity_name(severity)) return severity;
    }
    return value.fail_here(Errc::bad_value, "\"info\", \"warning\" or \"error\" is expected");
}

Result<Finding> stated_finding(const JsonValue& value) {
    Finding out;
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(const JsonValue id, in.required("id"));
    ATTESTD_TRY(out.id, id.text());
    if (!is_finding_id(out.id)) {
        return id.fail_here(Errc::bad_value, "1 to 100 of a-z, 0-9, '.' and '-' are expected");
    }
    ATTESTD_TRY(const JsonValue severity, in.required("severity"));
    ATTESTD_TRY(out.severity, severity_of(severity));
    ATTESTD_TRY(const JsonValue detail, in.required("detail"));
    ATTESTD_TRY(const std::string words, detail.text());
    out.detail = escaped(words, kMaxFindingDetailLen);
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<Verdict> verdict_of(const JsonValue& value) {
    if (value.is_null()) return Verdict::undecided;
    ATTESTD_TRY(const bool accepted, value.boolean());
    return accepted ? Verdict::accepted : Verdict::refused;
}

Result<Grade> grade_of(const JsonValue& value) {
    ATTESTD_TRY(const std::string name, value.text());
    for (const Grade grade : {Grade::production, Grade::test}) {
        if (name == grade_name(grade)) return grade;
    }
    return value.fail_here(Errc::bad_value, "\"production\" or \"test\" is expected");
}

std::string request_json(const Evidence& evidence, const Expectations& expected, Time now) {
    nlohmann::ordered_json out = plug_in_members(evidence);
    if (expected.report_data) out["report_data"] = to_hex(*expected.report_data);
    out["now"] = to_rfc3339(now);
    return out.dump();
}

// The service could not appraise: its problem document, or the beginning of what it sent.
Error problem_of(const UnixResponse& answer) {
    const std::string_view text = as_text(answer.body);
    return {Errc::unavailable,
            fmt::format("status {}: {}", answer.head.status, escaped(text, kMaxShownProblem))};
}

}  // namespace

Result<VerifierStatement> parse_statement(std::string_view text, std::string name) {
    VerifierStatement out;
    ATTESTD_TRY(const auto document, JsonDocument::parse(text, std::move(name), kStatementLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue accepted, in.required("accepted"));
    ATTESTD_TRY(out.verdict, verdict_of(accepted));
    ATTESTD_TRY(const JsonValue grade, in.required("grade"));
    ATTESTD_TRY(out.grade, grade_of(grade));
    ATTESTD_TRY(const JsonValue report_data, in.required("report_data"));
    ATTESTD_TRY(const std::string hex, report_data.text());
    ATTESTD_TRY(out.report_data, array_from_hex<sizeof(ReportData)>(hex, report_data.where()));
    if (const auto until = in.optional("valid_until")) {
        ATTESTD_TRY(const std::string time, until->text());
        ATTESTD_TRY(out.valid_until, parse_rfc3339(time, until->where()));
    }
    if (const auto findings = in.optional("findings")) {
        ATTESTD_TRY(const auto elements, findings->array(kMaxFindings));
        for (const JsonValue& element : elements) {
            ATTESTD_TRY(out.findings.emplace_back(), stated_finding(element));
        }
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

ExternalKind::ExternalKind(const VerifierConfig& config)
    : client_(config.socket.string(), kStatementLimits.max_len),
      timeout_(config.timeout),
      grade_(config.is_test() ? Grade::test : Grade::production) {}

Result<AttestationResult> ExternalKind::appraise(const Evidence& evidence,
                                                 const Expectations& expected, Time now) {
    const std::string where = client_.socket_path() + ": /v1/appraise";
    const std::string body = request_json(evidence, expected, now);
    UnixRequest request;
    request.method = "POST";
    request.target = "/v1/appraise";
    request.content_type = request.accept = "application/json";
    request.body = as_bytes(body);
    request.stop = &process_stop();
    ATTESTD_TRY(const UnixResponse answer,
                client_.exchange(request, std::chrono::steady_clock::now() + timeout_));
    if (answer.head.status != kStatusOk) return fail_in(where, problem_of(answer));
    const auto statement = parse_statement(as_text(answer.body), "answer");
    if (!statement) return fail_in(where, statement.error());
    return result_of_statement(evidence, *statement, expected, grade_, now);
}

}  // namespace attestd
