#include "agent/api/request_parser.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include "agent/api/connection_limits.h"

namespace attestd {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

std::string_view view(string_view text) noexcept { return {text.data(), text.size()}; }

Method method_of(http::verb verb) noexcept {
    switch (verb) {
        case http::verb::get:
            return Method::get;
        case http::verb::put:
            return Method::put;
        case http::verb::post:
            return Method::post;
        case http::verb::delete_:
            return Method::del;
        default:
            return Method::other;
    }
}

// Beast does the parsing; this takes down the few things that routes look at.
class HeadParser final : public http::basic_parser</*isRequest=*/true> {
 public:
    HeadParser() {
        header_limit(kMaxHeadLen);
        body_limit(boost::none);  // bodies do not come this way; the connection bounds them
    }

    RequestHead head;

 private:
    // The first of several counts; a field that must not be repeated is Beast's to refuse.
    static void keep(std::string_view& place, string_view value) {
        if (place.empty()) place = view(value);
    }

    void on_request_impl(http::verb verb, string_view, string_view target, int,
                         error_code&) override {
        head.method = method_of(verb);
        head.target = view(target);
    }
    void on_field_impl(http::field name, string_view, string_view value, error_code&) override {
        switch (name) {
            case http::field::accept:
                keep(head.accept, value);
                break;
            case http::field::if_none_match:
                keep(head.if_none_match, value);
                break;
            case http::field::content_type:
                keep(head.content_type, value);
                break;
            case http::field::transfer_encoding:
                head.is_chunked = true;
                break;
            case http::field::expect:
                head.expects_continue = boost::beast::iequals(value, "100-continue");
                break;
            default:
                break;
        }
    }
    void on_header_impl(error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view body, error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&) override {
        return body.size();
    }
    void on_finish_impl(error_code&) override {}
    void on_response_impl(int, string_view, int, error_code&) override {}
};

}  // namespace

Result<std::optional<RequestHead>> parse_head(std::string_view received) {
    HeadParser parser;
    error_code ec;
    const std::size_t used = parser.put(boost::asio::buffer(received.data(), received.size()), ec);
    if (ec == http::error::need_more) return std::optional<RequestHead>();
    if (ec) return fail(Errc::bad_request, ec.message());
    RequestHead head = parser.head;
    head.head_len = used;
    head.keep_alive = parser.keep_alive();
    if (const auto len = parser.content_length()) head.content_len = *len;
    if (!head.target.starts_with('/'))
        return fail(Errc::bad_request, "the target must begin with '/'");
    return std::optional(head);
}

}  // namespace attestd
