#include "agent/api/http.h"

#include <fmt/format.h>

#include "agent/log.h"

namespace attestd {

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
        case 502:
            return "Bad Gateway";
        case 504:
            return "Gateway Timeout";
        case 507:
            return "Insufficient Storage";
        default:
            return "Service Unavailable";
    }
}

namespace {

Response problem_with(unsigned status, Errc code, std::string_view detail) {
    Response out;
    out.status = status;
    out.content_type = "application/problem+json";
    out.body = fmt::format(
        R"({{"type":"about:blank","title":"{}","status":{},"code":"{}","detail":"{}"}})",
        reason_phrase(out.status), out.status, errc_name(code), escaped(detail, 1024));
    return out;
}

}  // namespace

Response problem(Errc code, std::string_view detail) {
    return problem_with(status_of(code), code, detail);
}

Response problem_behind(Errc code, std::string_view detail) {
    return problem_with(status_behind(code), code, detail);
}

Response json_response(std::string body) {
    Response out;
    out.body = std::move(body);
    return out;
}

}  // namespace attestd
