// VerifierKind: who appraises this machine's evidence: in this process, or a service.
#pragma once

#include <memory>
#include <string_view>

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
};

/// The verifier in this process. Parses policy and trust anchors now, with the errors of
/// parse_appraisal_policy() and TrustAnchors; endorsements are read at each appraisal, so that
/// fresh collateral counts without a reload.
[[nodiscard]] Result<std::unique_ptr<VerifierKind>> make_verifier(const VerifierConfig& config);

/// Files and folders (one level) of endorsements. Errc::not_found and others for what cannot be
/// read; a file that holds no endorsement is an error too.
[[nodiscard]] Result<Endorsements> load_endorsements(
    const std::vector<std::filesystem::path>& paths);

}  // namespace attestd
