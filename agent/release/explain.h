// explain(): why a caller may or may not have a secret, rule by rule, for `attestctl policy
// explain`.
//
// Pure, and by the same judge() that releases; for administrators alone, since it tells all names.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/caller/caller.h"
#include "agent/release/judgement.h"

namespace attestd {

/// One condition of a workload's rule and how it stands with a caller.
struct SelectorState {
    std::string selector;       ///< "uid", "unit", ...
    std::string wanted, found;  ///< as in the configuration
    bool holds;
};

/// Every selector of `rule`, in the order of the manual.
[[nodiscard]] std::vector<SelectorState> selector_states(const MatchItem& rule,
                                                         const Caller& caller);

/// The object that POST /v1/admin/explain answers with: `granted`, `reason`, the caller's facts,
/// each workload that the secret names with its rules, the rule that matched or came `nearest`, and
/// the conditions.
[[nodiscard]] nlohmann::ordered_json explain(const Config& policy, const Caller& caller,
                                             std::string_view name,
                                             const std::optional<Affirmation>& session,
                                             BootTime now);

}  // namespace attestd
