#include "tests/emulator/http_server.h"

#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "quote/base/fd.h"

namespace attestd::devsim {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Local = asio::local::stream_protocol;

constexpr std::size_t kMaxBodyLen = 65536;
constexpr auto kAwaitTransfer = asio::as_tuple(asio::use_awaitable);

http::response<http::string_body> to_message(HttpResponse response, unsigned version,
                                             bool keep_alive) {
    http::response<http::string_body> message;
    message.version(version);
    message.result(response.status);
    message.set(http::field::content_type, response.content_type);
    message.body() = std::move(response.body);
    message.keep_alive(keep_alive);
    message.prepare_payload();
    return message;
}

// One connection, until the client closes it or sends what is not HTTP.
asio::awaitable<void> serve_connection(Local::socket socket, const HttpHandler& handler) {
    beast::flat_buffer buffer;
    for (;;) {
        http::request_parser<http::string_body> parser;
        parser.body_limit(kMaxBodyLen);
        const auto [read_error, num_read] =
            co_await http::async_read(socket, buffer, parser, kAwaitTransfer);
        if (read_error) co_return;
        const bool keep_alive = parser.get().keep_alive();
        HttpRequest request;
        request.method = std::string(parser.get().method_string());
        request.target = std::string(parser.get().target());
        request.body = std::move(parser.get().body());
        auto pending = handler(std::move(request));
        HttpResponse response = co_await std::move(pending);
        const auto message = to_message(std::move(response), parser.get().version(), keep_alive);
        const auto [write_error, num_written] =
            co_await http::async_write(socket, message, kAwaitTransfer);
        if (write_error || !keep_alive) co_return;
    }
}

asio::awaitable<void> accept_connections(Local::acceptor acceptor, const HttpHandler& handler) {
    for (;;) {
        auto [error, socket] = co_await acceptor.async_accept(kAwaitTransfer);
        if (error) co_return;
        const auto executor = acceptor.get_executor();
        // Not waited for at the end: main() stops the context and destroys it with all that runs in
        // it.
        asio::co_spawn(executor, serve_connection(std::move(socket), handler), asio::detached);
    }
}

}  // namespace

Result<void> listen_http(asio::io_context& io, const std::string& path,
                         const HttpHandler& handler) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return fail(Errc::bad_value, path + ": is too long for a socket");
    }
    ::unlink(path.c_str());
    Local::acceptor acceptor(io);
    const Local::endpoint endpoint(path);
    boost::system::error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) return fail_errno(error.value(), path);
    asio::co_spawn(io, accept_connections(std::move(acceptor), handler), asio::detached);
    return {};
}

}  // namespace attestd::devsim
