#include "agent/fetch/answer_writer.h"

#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <nlohmann/json.hpp>

namespace attestd::fetch {
namespace {

namespace http = boost::beast::http;

constexpr unsigned kBadGateway = 502;
constexpr unsigned kNoContent = 204;
constexpr std::size_t kMaxDetailLen = 1024;

std::string_view reason(unsigned status) {
    const auto text = http::obsolete_reason(static_cast<http::status>(status));
    return {text.data(), text.size()};
}

Bytes write(unsigned status, const Fields& fields, ByteView body) {
    std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, reason(status));
    for (const auto& [name, value] : fields) head += fmt::format("{}: {}\r\n", name, value);
    // RFC 9110 section 8.6: an answer with this status must not state a length.
    if (status != kNoContent) head += fmt::format("Content-Length: {}\r\n", body.size());
    head += "Connection: close\r\n\r\n";
    Bytes wire = to_bytes(as_bytes(head));
    wire.insert(wire.end(), body.begin(), body.end());
    return wire;
}

}  // namespace

Bytes wire_of(const ServerAnswer& answer) {
    return write(answer.status, answer.fields, answer.body);
}

Bytes wire_of(const Error& error) {
    const std::string name(errc_name(error.code));
    const nlohmann::json problem{{"type", "about:blank"},
                                 {"title", std::string(errc_meaning(error.code))},
                                 {"status", kBadGateway},
                                 {"code", name},
                                 {"detail", printable(error.detail, kMaxDetailLen)}};
    const std::string body = problem.dump();
    return write(kBadGateway,
                 {{"Content-Type", "application/problem+json"}, {"Attestd-Fetch-Error", name}},
                 as_bytes(body));
}

}  // namespace attestd::fetch
