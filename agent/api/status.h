// What the daemon says about itself: status, health, sessions, metrics.
#pragma once

#include <string>

#include "agent/api/server.h"

namespace attestd {

/// GET /v1/status. `workloads` are the caller's: only secrets that they may have are listed.
[[nodiscard]] std::string status_json(const Agent& agent, const Caller& caller);

/// Why no secret can be released now; empty when they can.
[[nodiscard]] std::string unhealthy_because(const Agent& agent);

/// GET /v1/admin/sessions.
[[nodiscard]] std::string sessions_json(const Agent& agent, const Server& server);

/// GET /metrics, Prometheus text format 0.0.4.
[[nodiscard]] std::string metrics_text(const Agent& agent, const Server& server);

}  // namespace attestd
