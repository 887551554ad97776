// What passes through attestd-fetch: a request on its way out, an answer on its way back, and what
// is taken off both because it concerns one connection only (RFC 9110 section 7.6.1).
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quote/base/bytes.h"

namespace attestd::fetch {

using Millis = std::chrono::milliseconds;
using Deadline = std::chrono::steady_clock::time_point;
using Fields = std::vector<std::pair<std::string, std::string>>;  ///< names as received, in order

/// Headers that begin so are spoken between attestd-fetch and its client, and never passed on.
inline constexpr std::string_view kReservedPrefix = "attestd-";

struct ProxyRequest {
    std::string method;            ///< GET, POST, PUT, LIST or DELETE
    std::string url;               ///< as the client wrote it: not judged yet
    Fields fields;                 ///< to be sent as they stand
    Bytes body;                    ///< empty for GET, LIST and DELETE
    Millis timeout{};              ///< for the server's whole answer; zero: as configured
    std::size_t max_body_len = 0;  ///< of the answer; zero: as configured
};

struct ServerAnswer {
    unsigned status = 0;  ///< 200 to 599
    Fields fields;
    Bytes body;
};

/// Without the fields that belong to one connection, those that "Connection" names, those that say
/// how long the message is, and those reserved.
[[nodiscard]] Fields end_to_end(const Fields& fields);

/// For an error's detail: at most `max_len` characters, none that a terminal or a log line obeys.
[[nodiscard]] std::string printable(std::string_view text, std::size_t max_len = 256);

}  // namespace attestd::fetch
