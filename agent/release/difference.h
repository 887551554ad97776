// What another configuration would change for those who are connected now: a dry run.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "agent/caller/caller.h"
#include "agent/release/judgement.h"

namespace attestd {

/// `secrets` that are added, removed or changed, and for each of `callers` whose workloads or
/// secrets change: its facts, its workloads before and after, what it `gains` and `loses`. Judged
/// under `session`; without one by the release rules alone.
[[nodiscard]] nlohmann::ordered_json difference(const Config& now, const Config& candidate,
                                                const std::vector<const Caller*>& callers,
                                                const std::optional<Affirmation>& session,
                                                BootTime at);

}  // namespace attestd
