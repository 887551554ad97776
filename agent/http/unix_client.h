// UnixClient: one HTTP/1.1 request to a service on a Unix socket, and its answer, before a
// deadline.
//
// Blocking, one connection for each request. Answers are read by Beast's parser with every length
// bounded; the service at the other end is not trusted to be well-behaved. Bytes are received into
// memory for secrets, so that a body which is one is never anywhere else.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "agent/http/stop_signal.h"
#include "quote/base/bytes.h"
#include "quote/base/fd.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

using HttpFields =
    std::vector<std::pair<std::string, std::string>>;  ///< names and values, in order

struct UnixRequest {
    std::string method = "GET";
    std::string target = "/";          ///< origin form, or absolute form for a proxy; visible ASCII
    std::string content_type{};        ///< sent when the body is not empty
    std::string accept{};              ///< sent when not empty
    std::string if_none_match{};       ///< sent when not empty
    ByteView body{};                   ///< lives until the exchange returns
    HttpFields fields{};               ///< further ones; none that frames the message
    const StopSignal* stop = nullptr;  ///< raised, it ends the exchange; outlives it
};

struct UnixResponseHead {
    unsigned status = 0;
    std::string content_type, etag, retry_after;  ///< empty when absent
    HttpFields fields{};                          ///< all of them; names in lower case
};

struct UnixResponse {
    UnixResponseHead head;
    Bytes body;
};

struct UnixSecretResponse {
    UnixResponseHead head;
    Secret body;
};

class UnixClient final {
 public:
    using Deadline = std::chrono::steady_clock::time_point;

    /// Talks to the service that listens at `socket_path`. Bodies of answers are at most
    /// `max_body_len`.
    explicit UnixClient(std::string socket_path, std::size_t max_body_len = std::size_t{2} << 20)
        : path_(std::move(socket_path)), max_body_len_(max_body_len) {}

    /// Sends `request` and returns the answer, whatever its status. Errc::unavailable when nobody
    /// listens or the connection breaks before an answer began, Errc::access_denied,
    /// Errc::timed_out at the deadline, Errc::too_large, Errc::protocol for anything that is not
    /// one complete answer, Errc::bad_value for a request or path that cannot be written,
    /// Errc::memory_locked when the memory for secrets has no room to receive in, Errc::stopping
    /// when the request's signal is raised.
    [[nodiscard]] Result<UnixResponse> exchange(const UnixRequest& request,
                                                Deadline deadline) const;

    /// The same on `connected`, a stream socket whose other end is the service; socket_path() is
    /// then only what errors call it.
    [[nodiscard]] Result<UnixResponse> exchange_on(Fd connected, const UnixRequest& request,
                                                   Deadline deadline) const;

    /// As exchange(), with the body in memory for secrets, and nowhere else.
    [[nodiscard]] Result<UnixSecretResponse> exchange_secret(const UnixRequest& request,
                                                             Deadline deadline) const;

    [[nodiscard]] const std::string& socket_path() const noexcept { return path_; }

 private:
    std::string path_;
    std::size_t max_body_len_;
};

}  // namespace attestd
