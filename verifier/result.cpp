#include "verifier/result.h"

#include <algorithm>

namespace attestd {

Result<AffirmingResult> AttestationResult::affirming() const {
    if (verdict_ == Verdict::accepted && valid_until_) {
        return AffirmingResult(std::make_shared<const AttestationResult>(*this));
    }
    const auto first = std::find_if(findings_.begin(), findings_.end(),
                                    [](const Finding& f) { return f.severity == Severity::error; });
    if (first == findings_.end()) return fail(Errc::not_affirming, "the evidence was not accepted");
    return fail(Errc::not_affirming, first->id + ": " + first->detail);
}

}  // namespace attestd
