#include "agent/platform/external.h"

#include <fmt/format.h>

#include "agent/platform/evidence_json.h"
#include "agent/platform/internal/key_answer.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"
#include "quote/platform/echo.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxAnswerLen = std::size_t{4}
                                      << 20;  // a quote, endorsements and an event log
constexpr std::size_t kMaxProblemLen = 65536;
constexpr std::string_view kJsonType = "application/json";
constexpr unsigned kOk = 200;

// What a plug-in may say of itself; whatever else it says, it failed.
Errc kept_code(std::string_view code) noexcept {
    for (const Errc kept : {Errc::platform_unsupported, Errc::vtpm_failed}) {
        if (code == errc_name(kept)) return kept;
    }
    return Errc::platform_failed;
}

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
    return {kept_code(code), fmt::format("{}, {}: {}", status, code, text_of("detail"))};
}

// tcb_version travels as its eight bytes stand in a report, in hex: no reader has to know a byte
// order.
std::string key_request(const DerivedKeyRequest& request) {
    ByteArray<8> tcb{};
    for (std::size_t i = 0; i < tcb.size(); ++i) {
        tcb[i] = static_cast<std::uint8_t>(request.tcb_version >> (8 * i));
    }
    return fmt::format(
        R"({{"guest_field_select": {}, "vmpl": {}, "guest_svn": {}, "tcb_version": "{}"}})",
        request.guest_field_select, request.vmpl, request.guest_svn, to_hex(tcb));
}

std::string key_request(const VtpmKeyRequest& request) {
    return fmt::format(R"({{"pcrs": [{}], "context": "{}"}})", pcr_list(request.pcrs),
                       to_hex(request.context));
}

UnixRequest post(std::string target, const std::string& body) {
    UnixRequest request;
    request.method = "POST";
    request.target = std::move(target);
    request.content_type = kJsonType;
    request.accept = kJsonType;
    request.body = as_bytes(body);
    request.stop = &process_stop();
    return request;
}

// An answer that says yes and cannot be used is the platform's failure, whatever is wrong with it.
tl::unexpected<Error> unusable(const std::string& where, const Error& error) {
    return fail(Errc::platform_failed, fmt::format("{}: {}", where, error.detail));
}

}  // namespace

ExternalPlatform::ExternalPlatform(std::string socket_path, PlugInKind kind)
    : client_(std::move(socket_path), kMaxAnswerLen), kind_(kind) {}

Result<Evidence> ExternalPlatform::collect(const ReportData& report_data, Deadline deadline) {
    const std::string where = client_.socket_path() + ": /v1/evidence";
    const std::string body = fmt::format(R"({{"report_data": "{}"}})", to_hex(report_data));
    ATTESTD_TRY(const UnixResponse answer, client_.exchange(post("/v1/evidence", body), deadline));
    if (answer.head.status != kOk)
        return tl::make_unexpected(refusal(answer.head, answer.body, where));
    auto evidence = parse_plug_in_evidence(as_text(answer.body), "answer");
    if (!evidence) return unusable(where, evidence.error());
    evidence->interface = name();
    if (const auto echo = check_echo(*evidence, report_data); !echo)
        return fail_in(where, echo.error());
    return evidence;
}

Result<Secret> ExternalPlatform::derive_key(const DerivedKeyRequest& request, Deadline deadline) {
    return ask_for_key(key_request(request), deadline);
}

Result<Secret> ExternalPlatform::derive_vtpm_key(const VtpmKeyRequest& request, Deadline deadline) {
    if (!has_vtpm()) return Platform::derive_vtpm_key(request, deadline);
    return ask_for_key(key_request(request), deadline);
}

Result<Secret> ExternalPlatform::ask_for_key(const std::string& body, Deadline deadline) {
    const std::string where = client_.socket_path() + ": /v1/derive-key";
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
