// The URLs that attestd-fetch takes: absolute, plain, and the same to every reader.
//
// libcurl's own URL parser does the work, and only what it made of a URL is sent. What is refused
// here is what two parsers might read in two ways: user information, a host that is not written
// in its final form (encoded, decimal, with a dot at its end), control characters, fragments.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd::fetch {

/// The cloud's metadata service: the one address that is spoken to without TLS.
inline constexpr std::string_view kMetadataHost = "169.254.169.254";
inline constexpr std::uint16_t kHttpsPort = 443;
inline constexpr std::uint16_t kHttpPort = 80;

struct Url {
    std::string scheme;  ///< "https" or "http", lower case
    std::string host;    ///< lower case; IPv6 in brackets
    std::uint16_t port = 0;
    std::string path;   ///< begins with '/', without dot segments
    std::string text;   ///< what is sent: all of it, normalised
    std::string place;  ///< for errors: without the query, which may identify the machine
};

/// Errc::fetch_denied, with the reason. Plain http is refused here for every host but one.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

}  // namespace attestd::fetch
