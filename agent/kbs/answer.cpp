#include "agent/kbs/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "agent/log.h"
#include "quote/base/json.h"
#include "quote/base/lower_case.h"

namespace attestd::kbs {
namespace {

constexpr JsonLimits kErrorLimits{.max_len = 65536, .max_depth = 8};
constexpr std::size_t kMaxShown = 200;
constexpr unsigned kUnauthorized = 401;
constexpr std::size_t kMaxCookieLen = 256;
constexpr std::string_view kErrors = "/errors/";
constexpr std::string_view kCookie = "kbs-session-id=";
constexpr std::string_view kVersionMismatch = "KBS Client Protocol Version Mismatch";

std::string_view step_name(Step step) noexcept {
    constexpr std::array<std::string_view, 3> kNames{"auth", "attest", "read"};
    return kNames.at(static_cast<std::size_t>(step));
}

// {"type": ".../errors/NAME", "detail": TEXT}
struct NamedError {
    std::string name, detail;
};

std::optional<NamedError> named_error(ByteView body) {
    const auto document = JsonDocument::parse(as_text(body), "error", kErrorLimits);
    auto in = document ? document->root().object() : Result<JsonObject>(fail(Errc::bad_json, ""));
    const auto type = in ? in->optional("type") : std::nullopt;
    if (!type || !type->is_text()) return std::nullopt;
    const std::string text = type->text().value_or("");
    const auto at = text.rfind(kErrors);
    if (at == text.npos) return std::nullopt;
    NamedError out{text.substr(at + kErrors.size()), {}};
    if (const auto detail = in->optional("detail")) out.detail = detail->text().value_or("");
    return out;
}

bool speaks_of_session(std::string_view detail) {
    const std::string text = lower_case(detail);
    return text.find("session") != text.npos || text.find("cookie") != text.npos;
}

Errc code_of_attestation_error(const NamedError& error) {
    if (error.detail.find(kVersionMismatch) != error.detail.npos) return Errc::kbs_version;
    return speaks_of_session(error.detail) ? Errc::kbs_unauthorized : Errc::kbs_refused;
}

Errc code_of(const NamedError& error, unsigned status, Step step) {
    struct Row {
        std::string_view name;
        Errc code;
    };
    constexpr std::array<Row, 13> kRows{{{"TokenNotFound", Errc::kbs_unauthorized},
                                         {"TokenVerifierError", Errc::kbs_unauthorized},
                                         {"PolicyDeny", Errc::kbs_denied},
                                         {"PluginInternalError", Errc::kbs_missing},
                                         {"PluginNotFound", Errc::kbs_missing},
                                         {"InvalidRequestPath", Errc::kbs_missing},
                                         {"JweError", Errc::kbs_key},
                                         {"PolicyEngineError", Errc::kbs_missing},
                                         {"SerdeError", Errc::kbs_missing},
                                         {"RvpsError", Errc::kbs_missing},
                                         {"PrometheusError", Errc::kbs_missing},
                                         {"AdminAuthAccess", Errc::kbs_missing},
                                         {"ParsePolicyError", Errc::kbs_missing}}};
    if (error.name == "AttestationError") return code_of_attestation_error(error);
    const auto row = std::find_if(kRows.begin(), kRows.end(),
                                  [&](const Row& r) { return r.name == error.name; });
    // Names changed across releases: an unknown one with status 401 says no more than that we may
    // not; with another status, that the same question gets the same answer.
    const Errc unknown = status == kUnauthorized ? Errc::kbs_unauthorized : Errc::kbs_missing;
    const Errc code = row == kRows.end() ? unknown : row->code;
    // Before there is a session, the broker fails at our evidence and not at a secret.
    if (code == Errc::kbs_missing && step != Step::read) return Errc::kbs_refused;
    return code;
}

std::string mended(Errc code, KbsProtocol ours) {
    if (code != Errc::kbs_version) return {};
    return fmt::format("; this source is configured for protocol {}", kbs_protocol_name(ours));
}

}  // namespace

Remedy remedy_of(Errc code) noexcept {
    switch (code) {
        case Errc::kbs_unauthorized:
            return Remedy::new_session;
        case Errc::kbs_failed:
        case Errc::kbs_throttled:
        case Errc::fetch_unreachable:
        case Errc::fetch_timed_out:
        case Errc::fetch_truncated:
        case Errc::fetch_process:
        case Errc::too_busy:  // this machine, asked for evidence
        case Errc::timed_out:
        case Errc::unavailable:
        case Errc::memory_locked:
            return Remedy::later;
        default:
            return Remedy::none;
    }
}

Error error_of(const FetchResponse& answer, Step step, KbsProtocol ours) {
    const auto named = named_error(answer.body);
    const std::string place = fmt::format("{}: status {}", step_name(step), answer.status);
    if (answer.status == 429 || answer.status >= 500) {
        const std::string_view words = named ? named->detail : as_text(answer.body);
        return {answer.status == 429 ? Errc::kbs_throttled : Errc::kbs_failed,
                fmt::format("{}: {}", place, escaped(words, kMaxShown))};
    }
    if (!named) {
        return {Errc::kbs_protocol, fmt::format("{}, and no error of a key broker's: \"{}\"", place,
                                                escaped(as_text(answer.body), kMaxShown))};
    }
    const Errc code = code_of(*named, answer.status, step);
    return {code, fmt::format("{}: {}: {}{}", place, escaped(named->name, 64),
                              escaped(named->detail, kMaxShown), mended(code, ours))};
}

Result<void> check_answer(const FetchResponse& answer, Step step, KbsProtocol ours) {
    if (answer.status != 200) return tl::make_unexpected(error_of(answer, step, ours));
    const std::string type = lower_case(answer.header("content-type"));
    const std::string_view plain = std::string_view(type).substr(0, type.find(';'));
    if (type.empty() || plain == "application/json") return {};
    if (step == Step::read && plain == "text/xml") {
        return fail(Errc::kbs_protocol,
                    "read: the answer is not encrypted to our key: a plug-in that sends its "
                    "secrets so cannot be a source");
    }
    return fail(Errc::kbs_protocol,
                fmt::format("{}: the answer is of type \"{}\", not application/json",
                            step_name(step), escaped(plain, 64)));
}

Result<void> check_answer(const SecretFetchResponse& answer, Step step, KbsProtocol ours) {
    FetchResponse head{answer.status, answer.headers, {}};
    if (answer.status != 200)
        head.body = answer.body.expose([](ByteView bytes) { return to_bytes(bytes); });
    return check_answer(head, step, ours);
}

Result<std::string> session_cookie_of(const FetchResponse& answer) {
    std::string found;
    for (const auto& [name, value] : answer.headers) {
        if (name != "set-cookie" || !value.starts_with(kCookie)) continue;
        const std::string cookie = value.substr(kCookie.size(), value.find(';') - kCookie.size());
        if (!found.empty() && found != cookie)
            return fail(Errc::kbs_protocol, "auth: two session cookies");
        found = cookie;
    }
    const auto plain = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_';
    };
    if (!found.empty() && found.size() <= kMaxCookieLen &&
        std::all_of(found.begin(), found.end(), plain))
        return found;
    return fail(Errc::kbs_protocol, "auth: no session cookie \"kbs-session-id\" that can be used");
}

}  // namespace attestd::kbs
