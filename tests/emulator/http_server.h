// A small HTTP/1.1 server on a Unix socket: requests and answers as plain structs.
//
// One thread; a connection may send several requests. It serves tests on the same machine, so there
// is no time-out: a client that goes away closes its connection, and stopping the io_context ends
// all.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <string>

#include "quote/base/result.h"

namespace attestd::devsim {

struct HttpRequest {
    std::string method, target, body;
};

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
};

using HttpHandler = std::function<boost::asio::awaitable<HttpResponse>(HttpRequest)>;

/// Listens at `path`, replacing a socket that lies there, and serves in `io` until that is stopped.
/// `handler` must outlive that. Errc::io_failed.
[[nodiscard]] Result<void> listen_http(boost::asio::io_context& io, const std::string& path,
                                       const HttpHandler& handler);

}  // namespace attestd::devsim
