// An appraisal policy drafted from evidence: reference values as this evidence shows them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verifier/result.h"

namespace attestd::cli {

struct PolicyDraft {
    std::string text;  ///< JSON with comments, strict
    /// What the evidence shows and no draft permits: the evidence stays refused for it.
    std::vector<std::string> left_refused;
};

/// Pins what `result`, which must have claims, shows. `csp_id` is that of the VLEK that signed,
/// when one did and is known; `source` says where the evidence came from.
[[nodiscard]] PolicyDraft draft_policy(const AttestationResult& result,
                                       const std::optional<std::string>& csp_id,
                                       std::string_view source);

}  // namespace attestd::cli
