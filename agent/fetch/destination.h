// Where a request goes: judged against the configuration, then handed to the file that knows the
// kind of destination: http_destination.cpp, vsock_destination.cpp.
#pragma once

#include "agent/fetch/config.h"
#include "agent/fetch/message.h"
#include "agent/fetch/url.h"
#include "quote/base/result.h"

namespace attestd::fetch {

/// A URL that may be fetched by the rule beside it. `rule` lives as long as the configuration.
struct Destination {
    Url url;
    const HostRule* rule = nullptr;
};

/// Whether the configuration lets `method` be used on `url`. Errc::fetch_denied says what would.
[[nodiscard]] Result<Destination> judge(const FetchConfig& config, std::string_view method,
                                        std::string_view url);

/// Judges, fetches and returns the server's answer. Errc::fetch_* for everything that prevents it.
[[nodiscard]] Result<ServerAnswer> fetch_from_destination(const FetchConfig& config,
                                                          const ProxyRequest& request);

}  // namespace attestd::fetch
