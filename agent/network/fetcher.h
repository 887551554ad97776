// Fetcher: what may be asked of the network.
//
// Nothing in attestd or attestctl opens a connection to the outside: attestd-fetch does, and a
// Fetcher talks to it. What comes back is hostile input: it is signed by somebody, encrypted to a
// key that the network never sees, or marked as protected by transport only.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

struct FetchRequest {
    std::string url;                                             ///< absolute, `https://...`
    std::string method = "GET";                                  ///< GET, POST, PUT, LIST or DELETE
    std::vector<std::pair<std::string, std::string>> headers{};  ///< sent as they stand
    std::string content_type{};  ///< sent when the body is not empty
    Bytes body{};                ///< at most 1 MiB
};

struct FetchResponse {
    unsigned status = 0;  ///< of the server: 404 is an answer, not an error
    std::vector<std::pair<std::string, std::string>> headers{};  ///< names in lower case
    Bytes body{};

    /// The first header of this lower-case name, or empty. Lives as long as the response.
    [[nodiscard]] std::string_view header(std::string_view name) const noexcept {
        for (const auto& [key, value] : headers) {
            if (key == name) return value;
        }
        return {};
    }
};

class Fetcher {
 public:
    using Deadline = std::chrono::steady_clock::time_point;

    virtual ~Fetcher() = default;

    /// One request and its whole answer, before `deadline`. Blocks; safe from any thread.
    /// Errc::fetch_denied when attestd-fetch's configuration does not list the host,
    /// Errc::fetch_unreachable (name, connection), Errc::fetch_tls, Errc::fetch_timed_out,
    /// Errc::fetch_too_large, Errc::fetch_truncated, Errc::fetch_redirected,
    /// Errc::fetch_protocol for an answer that is not HTTP; Errc::fetch_process when attestd-fetch
    /// itself is not there, dies or talks nonsense.
    [[nodiscard]] virtual Result<FetchResponse> fetch(const FetchRequest& request,
                                                      Deadline deadline) = 0;
};

}  // namespace attestd
