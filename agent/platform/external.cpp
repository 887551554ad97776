#include "agent/platform/external.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/platform/internal/key_answer.h"
#include "quote/amd/snp_report.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "quote/intel/quote.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxAnswerLen = std::size_t{4} << 20;  // a quote, endorsements and an event log
constexpr std::size_t kMaxEndorsements = 64;
constexpr std::size_t kMaxProblemLen = 65536;
constexpr std::string_view kJsonType = "application/json";
constexpr unsigned kOk = 200;

// The plug-in refused: its problem document says why, in words that go into our error.
Error refusal(const UnixResponseHead& head, ByteView body, const std::string& where) {
    const std::string status = fmt::format("{}: status {}", where, head.status);
    auto document = JsonDocument::parse(as_text(body), "answer", {kMaxProblemLen, 4});
    auto problem = document ? document->root().object() : tl::make_unexpected(document.error());
    if (!problem) return {Errc::platform_failed, status};
    const auto text_of = [&](std::string_view key) {
        const auto value = problem->optional(key);
        return value ? value->text().value_or("") : std::string();
    };
    const std::string code = text_of("code");
    // The plug-in's own words for hardware that has no derived keys.
    const Errc errc = code == errc_name(Errc::platform_unsupported) ? Errc::platform_unsupported
                                                                   : Errc::platform_failed;
    return {errc, fmt::format("{}, {}: {}", status, code, text_of("detail"))};
}

Result<Tee> tee_from(const JsonValue& value) {
    ATTESTD_TRY(const std::string name, value.text());
    if (name == tee_name(Tee::tdx)) return Tee::tdx;
    if (name == tee_name(Tee::snp)) return Tee::snp;
    return value.fail_here(Errc::bad_value, "\"tdx\" or \"snp\" is expected");
}

Result<Bytes> bytes_from(const JsonValue& value) {
    ATTESTD_TRY(const std::string text, value.text());
    return from_base64(text, value.where());
}

Result<Evidence> parse_evidence(ByteView body) {
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(body), "evidence", {kMaxAnswerLen, /*max_depth=*/4}));
    ATTESTD_TRY(JsonObject object, document.root().object());
    Evidence evidence{};
    evidence.interface = "external";
    ATTESTD_TRY(const JsonValue tee, object.required("tee"));
    ATTESTD_TRY(evidence.tee, tee_from(tee));
    ATTESTD_TRY(const JsonValue quote, object.required("evidence"));
    ATTESTD_TRY(evidence.quote, bytes_from(quote));
    if (const auto list = object.optional("endorsements")) {
        ATTESTD_TRY(const auto items, list->array(kMaxEndorsements));
        for (const JsonValue& item : items) {
            ATTESTD_TRY(Bytes bytes, bytes_from(item));
            evidence.endorsements.push_back(std::move(bytes));
        }
    }
    if (const auto log = object.optional("event_log")) {
        ATTESTD_TRY(evidence.event_log, bytes_from(*log));
    }
    ATTESTD_CHECK(object.finish());
    return evidence;
}

// The report data in the evidence, by the parser of its format.
Result<ReportData> echoed_report_data(const Evidence& evidence) {
    if (evidence.tee == Tee::snp) {
        ATTESTD_TRY(const ParsedSnpReport parsed, parse_snp_report(evidence.quote));
        return parsed.report.report_data;
    }
    ATTESTD_TRY(const ParsedQuote parsed, parse_intel_quote(evidence.quote));
    if (!parsed.quote.is_tdx()) return fail(Errc::unsupported_type, "an SGX quote in place of a TDX one");
    return parsed.quote.report_data();
}

Result<void> check_echo(const Evidence& evidence, const ReportData& asked) {
    auto echoed = echoed_report_data(evidence);
    if (!echoed) {
        return fail(Errc::platform_failed, fmt::format("the evidence is no {} evidence: {}",
                                                       tee_name(evidence.tee), echoed.error().detail));
    }
    if (*echoed != asked) return fail(Errc::platform_wrong_echo, "the evidence has other report data");
    return {};
}

std::string key_request(const DerivedKeyRequest& request) {
    return fmt::format(R"({{"guest_field_select": {}, "vmpl": {}, "guest_svn": {}, "tcb_version": "{:016x}"}})",
                       request.guest_field_select, request.vmpl, request.guest_svn, request.tcb_version);
}

UnixRequest post(std::string target, const std::string& body) {
    UnixRequest request;
    request.method = "POST";
    request.target = std::move(target);
    request.content_type = kJsonType;
    request.accept = kJsonType;
    request.body = as_bytes(body);
    return request;
}

// An answer that says yes and cannot be used is the platform's failure, whatever is wrong with it.
tl::unexpected<Error> unusable(const std::string& where, const Error& error) {
    return fail(Errc::platform_failed, fmt::format("{}: {}", where, error.detail));
}

}  // namespace

ExternalPlatform::ExternalPlatform(std::string socket_path)
    : client_(std::move(socket_path), kMaxAnswerLen) {}

Result<Evidence> ExternalPlatform::collect(const ReportData& report_data, Deadline deadline) {
    const std::string where = client_.socket_path() + ": /v1/evidence";
    const std::string body = fmt::format(R"({{"report_data": "{}"}})", to_hex(report_data));
    ATTESTD_TRY(const UnixResponse answer, client_.exchange(post("/v1/evidence", body), deadline));
    if (answer.head.status != kOk) return tl::make_unexpected(refusal(answer.head, answer.body, where));
    auto evidence = parse_evidence(answer.body);
    if (!evidence) return unusable(where, evidence.error());
    if (const auto echo = check_echo(*evidence, report_data); !echo) return fail_in(where, echo.error());
    return evidence;
}

Result<Secret> ExternalPlatform::derive_key(const DerivedKeyRequest& request, Deadline deadline) {
    const std::string where = client_.socket_path() + ": /v1/derive-key";
    const std::string body = key_request(request);
    ATTESTD_TRY(const UnixSecretResponse answer,
                client_.exchange_secret(post("/v1/derive-key", body), deadline));
    if (answer.head.status != kOk) {
        return tl::make_unexpected(answer.body.expose(
            [&](ByteView problem) { return refusal(answer.head, problem, where); }));
    }
    auto key = parse_key_answer(answer.body);
    if (!key && key.error().code != Errc::memory_locked) return unusable(where, key.error());
    return key;
}

}  // namespace attestd
