#include "agent/cli/daemon.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "config/secret_name.h"
#include "quote/base/json.h"

namespace attestd::cli {
namespace {

// Longer than the daemon takes for anything: a piece of evidence (30 s), then a queue before it.
constexpr std::chrono::seconds kPatience{90};
constexpr JsonLimits kProblemLimits{.max_len = 65536, .max_depth = 8};

bool is_success(unsigned status) noexcept { return status >= 200 && status < 300; }

UnixClient::Deadline deadline() { return std::chrono::steady_clock::now() + kPatience; }

Errc errc_by_name(std::string_view name) noexcept {
    const auto all = all_errcs();
    const auto it =
        std::find_if(all.begin(), all.end(), [&](const ErrcInfo& e) { return e.name == name; });
    return it == all.end() ? Errc::not_allowed : it->code;
}

tl::unexpected<Failure> refused(unsigned status, ByteView body) {
    return tl::make_unexpected(Failure(problem_from(status, body), exit_status::refused));
}

tl::unexpected<Failure> not_reached(Error error) {
    if (error.code == Errc::bad_value) return wrong_usage(std::move(error));
    if (error.code == Errc::unavailable)
        error.detail += "; is attestd running, and is this its socket?";
    return tl::make_unexpected(Failure(std::move(error), exit_status::unreachable));
}

}  // namespace

Error problem_from(unsigned status, ByteView body) {
    const Error plain{Errc::not_allowed, fmt::format("the daemon refused with status {}", status)};
    auto document = JsonDocument::parse(as_text(body), "problem", kProblemLimits);
    if (!document) return plain;
    auto problem = document->root().object();
    if (!problem) return plain;
    const auto text_of = [&](std::string_view key) {
        const auto value = problem->optional(key);
        return value ? value->text().value_or("") : std::string();
    };
    const std::string code = text_of("code");
    const std::string detail = text_of("detail");
    if (code.empty()) return plain;
    const Errc errc = errc_by_name(code);
    return {errc, detail.empty() ? std::string(errc_meaning(errc)) : detail};
}

Outcome<Bytes> DaemonClient::ask(const UnixRequest& request) const {
    constexpr unsigned kNoOther = 0;
    ATTESTD_TRY(UnixResponse answer, ask_any(request, kNoOther));
    return std::move(answer.body);
}

Outcome<UnixResponse> DaemonClient::ask_any(const UnixRequest& request, unsigned also) const {
    auto answer = client_.exchange(request, deadline());
    if (!answer) return not_reached(std::move(answer).error());
    const unsigned status = answer->head.status;
    if (!is_success(status) && status != also) return refused(status, answer->body);
    return *std::move(answer);
}

Outcome<Secret> DaemonClient::ask_secret(const UnixRequest& request) const {
    auto answer = client_.exchange_secret(request, deadline());
    if (!answer) return not_reached(std::move(answer).error());
    const unsigned status = answer->head.status;
    if (is_success(status)) return std::move(answer->body);
    return answer->body.expose(
        [&](ByteView problem) -> Outcome<Secret> { return refused(status, problem); });
}

UnixRequest json_request(std::string method, std::string target, const std::string& json) {
    UnixRequest request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.accept = "application/json";
    request.content_type = "application/json";
    request.body = as_bytes(json);
    return request;
}

Outcome<std::string> with_source(std::string target, const std::string& source) {
    if (source.empty()) return target;
    ATTESTD_CHECK(check_id(source));
    return target + "?source=" + source;
}

}  // namespace attestd::cli
