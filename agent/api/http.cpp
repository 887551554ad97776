#include "agent/api/http.h"

#include <fmt/format.h>

#include "agent/log.h"

namespace attestd {

unsigned status_of(Errc code) noexcept {
    switch (code) {
        case Errc::bad_request:
        case Errc::bad_json:
        case Errc::bad_encoding:
        case Errc::bad_value:
        case Errc::bad_name:
        case Errc::bad_config:
        case Errc::bad_reference:
        case Errc::duplicate_key:
        case Errc::unknown_key:
        case Errc::missing_key:
        case Errc::wrong_type:
        case Errc::truncated:
        case Errc::trailing_bytes:
        case Errc::bad_length:
        case Errc::unsupported_version:
        case Errc::unsupported_type:
        case Errc::jose_algorithm:
        case Errc::jose_header:
        case Errc::jwe_undecrypted:
            return 400;
        case Errc::not_allowed:
        case Errc::caller_unknown:
        case Errc::writer_mismatch:
        case Errc::peer_changed:
        case Errc::peer_exited:
        case Errc::peer_traced:
        case Errc::peer_foreign_pidns:
        case Errc::cgroup_malformed:
        case Errc::cgroup_foreign:
        case Errc::cgroup_delegated:
        case Errc::exe_refused:
        case Errc::kbs_denied:
        case Errc::provision_binding:
        case Errc::provision_machine:
        case Errc::provision_disabled:
            return 403;
        case Errc::secret_unavailable:
        case Errc::not_found:
        case Errc::kbs_missing:
        case Errc::provision_unknown:
            return 404;
        case Errc::provision_exists:
            return 409;
        case Errc::provision_consumed:
        case Errc::provision_expired:
        case Errc::provision_restarted:
            return 410;
        case Errc::timed_out:
            return 504;
        case Errc::too_large:
        case Errc::secret_too_large:
            return 413;
        case Errc::rate_limited:
            return 429;
        case Errc::platform_unsupported:
            return 501;
        case Errc::internal:
            return 500;
        case Errc::no_space:
            return 507;
        default:
            return 503;
    }
}

std::string_view reason_phrase(unsigned status) noexcept {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 204:
            return "No Content";
        case 304:
            return "Not Modified";
        case 400:
            return "Bad Request";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 411:
            return "Length Required";
        case 413:
            return "Content Too Large";
        case 429:
            return "Too Many Requests";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 504:
            return "Gateway Timeout";
        case 507:
            return "Insufficient Storage";
        default:
            return "Service Unavailable";
    }
}

Response problem(Errc code, std::string_view detail) {
    Response out;
    out.status = status_of(code);
    out.content_type = "application/problem+json";
    out.body = fmt::format(
        R"({{"type":"about:blank","title":"{}","status":{},"code":"{}","detail":"{}"}})",
        reason_phrase(out.status), out.status, errc_name(code), escaped(detail, 1024));
    return out;
}

Response json_response(std::string body) {
    Response out;
    out.body = std::move(body);
    return out;
}

}  // namespace attestd
