// Fetcher: what may be asked of the network.
//
// Nothing in attestd or attestctl opens a connection to the outside: attestd-fetch does, and a
// Fetcher talks to it. What comes back is hostile input: it is signed by somebody, encrypted to a
// key that the network never sees, or marked as protected by transport only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

/// What becomes of a request when the process stops.
enum class AtStop : std::uint8_t {
    give_up,
    go_on,  ///< it is part of the stop, with a deadline of a few seconds
};

struct FetchRequest {
    std::string url;                                             ///< absolute, `https://...`
    std::string method = "GET";                                  ///< GET, POST, PUT, LIST or DELETE
    std::vector<std::pair<std::string, std::string>> headers{};  ///< sent as they stand
    std::string content_type{};  ///< sent when the body is not empty
    Bytes body{};                ///< at most 1 MiB
    AtStop at_stop = AtStop::give_up;
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

/// An answer whose body is, or holds, a secret.
struct SecretFetchResponse {
    unsigned status = 0;
    std::vector<std::pair<std::string, std::string>> headers{};  ///< as in FetchResponse
    Secret body{};

    [[nodiscard]] std::string_view header(std::string_view name) const noexcept {
        for (const auto& [key, value] : headers) {
            if (key == name) return value;
        }
        return {};
    }
};

/// The header "Retry-After" in seconds, an hour at most; empty when it is absent, a date, or
/// nonsense.
[[nodiscard]] std::optional<std::chrono::seconds> parse_retry_after(std::string_view value);

class Fetcher {
 public:
    using Deadline = std::chrono::steady_clock::time_point;

    virtual ~Fetcher() = default;

    /// One request and its whole answer, before `deadline`. Blocks; safe from any thread.
    /// Errc::fetch_denied when attestd-fetch's configuration does not list the host,
    /// Errc::fetch_unreachable (name, connection), Errc::fetch_tls, Errc::fetch_timed_out,
    /// Errc::fetch_too_large, Errc::fetch_truncated, Errc::fetch_redirected,
    /// Errc::fetch_protocol for an answer that is not HTTP; Errc::fetch_process when attestd-fetch
    /// itself is not there, dies or talks nonsense; Errc::stopping when the process stops.
    [[nodiscard]] virtual Result<FetchResponse> fetch(const FetchRequest& request,
                                                      Deadline deadline) = 0;

    /// The same, with the answer's body in memory for secrets, and what was written of the request
    /// wiped after it was sent. Also Errc::memory_locked.
    [[nodiscard]] virtual Result<SecretFetchResponse> fetch_secret(const FetchRequest& request,
                                                                   Deadline deadline);
};

}  // namespace attestd
