// VerifierKind: who appraises this machine's evidence: in this process, or a service.
//
// An attempt has three steps: begin() says what the evidence is to carry, the platform collects it,
// appraise() judges it. begin() is there for services that give a nonce of their own: what it
// returns binds theirs and ours together, so that freshness never rests on the other side alone. A
// kind that needs nothing of the kind leaves it out and costs nothing there.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "agent/collateral/endorsement_id.h"
#include "config/config.h"
#include "quote/base/secret.h"
#include "verifier/result.h"
#include "verifier/verifier.h"

namespace attestd {

/// Report data of the session's own evidence, where the verifier has no say in it. No caller's
/// report data has this form: theirs begins with another label (evidence.h).
[[nodiscard]] ReportData session_report_data(ByteView nonce);

/// The signed word of a verifier on the network, for those in this process that log in by it. It is
/// a bearer's: never printed, and gone with the session.
struct VerifierToken {
    Secret text;   ///< in compact form
    Time expires;  ///< as it says itself
};

class VerifierKind {
 public:
    virtual ~VerifierKind() = default;

    /// "local", ...: as in configuration and status.
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;

    /// Whether begin() asks somebody else, and so blocks.
    [[nodiscard]] virtual bool has_challenge() const noexcept { return false; }

    /// What the evidence must carry that is appraised next. `nonce` is fresh and ours: 32 bytes. An
    /// Error is an outage. Called before each appraise(), never beside it.
    [[nodiscard]] virtual Result<ReportData> begin(ByteView nonce) {
        return session_report_data(nonce);
    }

    /// What the verifier concludes. An Error means that it could not be asked (an outage); a
    /// refusal is a result. Blocks; one thread at a time.
    [[nodiscard]] virtual Result<AttestationResult> appraise(const Evidence& evidence,
                                                             const Expectations& expected,
                                                             Time now) = 0;

    /// Endorsements that the last appraisal lacked, or that end before long; told once. By the same
    /// thread as appraise().
    [[nodiscard]] virtual std::vector<EndorsementId> take_wanted() { return {}; }

    /// The token behind the last accepted result, once; null where there is none. By the same
    /// thread as appraise().
    [[nodiscard]] virtual std::shared_ptr<const VerifierToken> take_token() { return nullptr; }
};

/// The verifier that configuration names: the one in this process (agent/local_kind.h), a service
/// on a socket (agent/external_kind.h) or on the network (agent/remote/).
[[nodiscard]] Result<std::unique_ptr<VerifierKind>> make_verifier(const VerifierConfig& config);

}  // namespace attestd
