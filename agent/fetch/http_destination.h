// https, and plain http to the metadata service: one request by libcurl, with everything that is
// convenient about it turned off.
#pragma once

#include "agent/fetch/destination.h"

namespace attestd::fetch {

/// One request and its whole answer within the request's limits, none of which exceeds the
/// configuration's. Redirects are Errc::fetch_redirected; a status of the server is no error.
[[nodiscard]] Result<ServerAnswer> fetch_over_http(const FetchConfig& config,
                                                   const Destination& destination,
                                                   const ProxyRequest& request);

}  // namespace attestd::fetch
