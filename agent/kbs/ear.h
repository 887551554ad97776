// Attestation results in EAR's claims (`spec/remote-verifiers.md` section 3.3), of Trustee and of
// Veraison alike: what all submodules of a token come to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quote/base/json.h"

namespace attestd::kbs {

struct EarStanding {
    std::string worst;   ///< "affirming", "warning", "none", "contraindicated", or what it said
    std::string where;   ///< the submodule that is the worst
    std::string vector;  ///< "cpu0.hardware=2 ...", for logs; what is no number is left out
    /// "ear.appraisal-policy-id" of each submodule; empty where it has none.
    std::vector<std::string> policies;
};

/// The worst of "submods", each no better than its status and than the worst member of its
/// trustworthiness vector. Errc::token_malformed when there is no submodule, or one without a
/// status.
[[nodiscard]] Result<EarStanding> ear_standing_of(const JsonValue& submods);

/// Errc::token_not_affirming, naming the submodule, unless all are affirming, or warning where that
/// is taken; also when `policies` is not empty and a submodule was appraised by none of them.
[[nodiscard]] Result<void> check_ear(const EarStanding& standing, bool accept_warning,
                                     const std::vector<std::string>& policies);

}  // namespace attestd::kbs
