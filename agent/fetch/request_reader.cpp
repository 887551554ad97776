#include "agent/fetch/request_reader.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/vector_body.hpp>
#include <charconv>
#include <optional>

#include "agent/fetch/socket_io.h"
#include "quote/base/lower_case.h"

namespace attestd::fetch {
namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using Parser = http::request_parser<http::vector_body<std::uint8_t>>;

constexpr std::size_t kWireLen = 32768;  // one read
// Below kWireLen, so that a head fits into one buffer: a URL of 8000 characters and an attestation
// token in a header.
constexpr std::uint32_t kMaxHeadLen = 24576;
constexpr std::uint64_t kMaxBodyLen = std::uint64_t{1} << 20;  // evidence of several devices

tl::unexpected<Error> denied(std::string_view why) {
    return fail(Errc::fetch_denied, fmt::format("the request to attestd-fetch: {}", why));
}

// Feeds the parser until it has one request, with nothing behind it.
class Reader final {
 public:
    Reader(const Fd& socket, Deadline deadline, Parser& parser)
        : socket_(socket), deadline_(deadline), parser_(parser), wire_(kWireLen) {}

    Result<void> run() {
        while (!parser_.is_done()) {
            const auto n = receive_some(socket_, std::span(wire_).subspan(have_), deadline_);
            if (!n && n.error().code == Errc::timed_out)
                return fail(Errc::fetch_timed_out, "the request to attestd-fetch did not come");
            if (!n) return tl::make_unexpected(n.error());
            if (*n == 0) return fail(Errc::unavailable, "the client left");
            have_ += *n;
            ATTESTD_CHECK(parse());
        }
        if (have_ != 0) return denied("bytes follow it");
        return {};
    }

 private:
    Result<void> parse() {
        while (have_ != 0 && !parser_.is_done()) {
            ErrorCode ec;
            const std::size_t used = parser_.put(boost::asio::buffer(wire_.data(), have_), ec);
            std::copy(wire_.begin() + static_cast<std::ptrdiff_t>(used),
                      wire_.begin() + static_cast<std::ptrdiff_t>(have_), wire_.begin());
            have_ -= used;
            if (ec == http::error::need_more && have_ < kWireLen) return {};
            if (ec) return denied(ec.message());
        }
        return {};
    }

    const Fd& socket_;
    Deadline deadline_;
    Parser& parser_;
    std::vector<char> wire_;
    std::size_t have_ = 0;
};

std::optional<std::uint64_t> number(std::string_view text) noexcept {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
    return value;
}

// What the client says to us rather than to the server.
Result<void> take_own(std::string_view name, std::string_view value, ProxyRequest& request) {
    const auto given = number(value);
    if (!given) return denied("its limits are whole numbers above zero");
    if (name == "attestd-fetch-timeout") {
        constexpr std::uint64_t kDay = 86'400'000;  // more is the same as the configured limit
        request.timeout = Millis(static_cast<Millis::rep>(std::min(*given, kDay)));
        return {};
    }
    if (name == "attestd-fetch-max-body") {
        request.max_body_len = *given;
        return {};
    }
    return denied("it has a header that begins \"attestd-\" and is not known");
}

// libcurl writes these itself, or they would have the server encode what must stay as signed.
bool is_ours_to_write(std::string_view name) noexcept {
    return name == "host" || name == "expect" || name == "accept-encoding";
}

std::string text(boost::beast::string_view view) { return {view.data(), view.size()}; }

}  // namespace

Result<ProxyRequest> read_request(const Fd& socket, Deadline deadline) {
    Parser parser;
    parser.header_limit(kMaxHeadLen);
    parser.body_limit(kMaxBodyLen);
    parser.eager(true);
    ATTESTD_CHECK(Reader(socket, deadline, parser).run());

    auto& message = parser.get();
    ProxyRequest request;
    request.method = text(message.method_string());
    request.url = text(message.target());
    Fields fields;
    for (const auto& field : message) {
        std::string name = text(field.name_string());
        const std::string key = lower_case(name);
        if (key.starts_with(kReservedPrefix)) {
            ATTESTD_CHECK(take_own(key, text(field.value()), request));
        } else if (!is_ours_to_write(key)) {
            fields.emplace_back(std::move(name), text(field.value()));
        }
    }
    request.fields = end_to_end(fields);
    request.body = std::move(message.body());
    if (!request.body.empty() && request.method != "POST" && request.method != "PUT")
        return denied("only POST and PUT have a body");
    return request;
}

}  // namespace attestd::fetch
