// The client's one request, read from its connection by Beast's parser with every length bounded.
#pragma once

#include "agent/fetch/message.h"
#include "quote/base/fd.h"

namespace attestd::fetch {

/// Errc::fetch_denied for what is not one request of the right form, Errc::fetch_timed_out when it
/// does not come in time, Errc::unavailable when the client leaves without one.
[[nodiscard]] Result<ProxyRequest> read_request(const Fd& socket, Deadline deadline);

}  // namespace attestd::fetch
