// --listen: a Unix socket of our own, and a child for each connection. For systems without systemd
// and for tests; under systemd the socket unit does the same.
#pragma once

#include <functional>
#include <string>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::fetch {

/// One client's whole service, in a child of its own.
using Serve = std::function<Result<void>(const Fd& connection)>;

/// Requests at one time. Further clients wait in the socket's backlog: each child ends within
/// kMaxTimeout and some seconds.
inline constexpr std::size_t kMaxChildren = 32;

/// Listens at `path` with permissions `mode` until SIGTERM or SIGINT, then removes the socket;
/// children end with this process. Errc::too_busy when another process listens there.
[[nodiscard]] Result<void> listen_at(const std::string& path, unsigned mode, const Serve& serve);

}  // namespace attestd::fetch
