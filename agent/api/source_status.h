// How the sources of secrets stand, in status and metrics. Names of sources and of errors; nothing
// of what is read from them, not even where it lies.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "agent/agent.h"

namespace attestd {

/// "sources" of GET /v1/status.
[[nodiscard]] nlohmann::ordered_json sources_json(const Agent& agent);

/// When it is `at`, on the wall clock as it stands.
[[nodiscard]] Time wall_time_of(BootTime at);

/// What stands between a false guest and this secret (DESIGN section 1).
[[nodiscard]] std::string_view rests_on(const Agent& agent, const SecretPolicy& secret);

/// The sources' part of the metrics: what was read, what failed and by which code, and when logins
/// and leases end.
void put_source_metrics(fmt::memory_buffer& text, const Agent& agent);

/// When collateral and the attestation result end, as gauges (seconds since 1970).
void put_expiry_metrics(fmt::memory_buffer& text, const Agent& agent);

}  // namespace attestd
