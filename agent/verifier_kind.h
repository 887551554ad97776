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

/// Endorsements of files and folders (one level), added to `out`. What a folder holds and is no
/// endorsement is passed over; a file that was named must be one. Errc::not_found and others for
/// what cannot be read, and the errors of what is damaged.
[[nodiscard]] Result<Endorsements> load_endorsements(
    const std::vector<std::filesystem::path>& paths, Endorsements out = {});

}  // namespace attestd
