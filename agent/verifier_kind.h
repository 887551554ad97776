// VerifierKind: who appraises this machine's evidence: in this process, or a service.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "agent/collateral/endorsement_id.h"
#include "config/config.h"
#include "verifier/result.h"
#include "verifier/verifier.h"

namespace attestd {

class VerifierKind {
 public:
    virtual ~VerifierKind() = default;

    /// "local", ...: as in configuration and status.
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;

    /// What the verifier concludes. An Error means that it could not be asked (an outage); a
    /// refusal is a result. Blocks; one thread at a time.
    [[nodiscard]] virtual Result<AttestationResult> appraise(const Evidence& evidence,
                                                             const Expectations& expected,
                                                             Time now) = 0;

    /// Endorsements that the last appraisal lacked, or that end before long; told once. By the same
    /// thread as appraise().
    [[nodiscard]] virtual std::vector<EndorsementId> take_wanted() { return {}; }
};

/// The verifier that configuration names: the one in this process (agent/local_kind.h) or a service
/// (agent/external_kind.h).
[[nodiscard]] Result<std::unique_ptr<VerifierKind>> make_verifier(const VerifierConfig& config);

}  // namespace attestd
