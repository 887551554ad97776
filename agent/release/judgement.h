// judge(): the release rules as one pure function that says yes, or which rule says no.
//
// decide() makes grants of its yes; `attestctl policy explain` tells its no. Order matters only for
// which reason is told: everything must hold.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/clock.h"
#include "config/config.h"
#include "verifier/result.h"

namespace attestd {

/// The session's word that the platform was appraised and affirmed, and until when it says so.
struct Affirmation {
    AffirmingResult result;
    std::uint64_t epoch;  ///< of the session: changes with each result
    BootTime expires;
    BootTime asked{};             ///< when its nonce was made: what its age is counted from
    std::string_view verifier{};  ///< kind of the verifier: "local", ...
};

enum class Reason : std::uint8_t {
    granted,
    unknown_secret,  ///< no secret of that name
    no_workload,     ///< no rule matches the caller
    not_allowed,     ///< its workloads are not on the secret's list
    denied,          ///< one of them is denied by name
    protection,      ///< the source protects less than is asked
    no_result,       ///< there is no affirming result, or it has expired
    test_grade,      ///< the result is of test grade, the secret is no test's
    binding,         ///< the configuration is not the one that the evidence is bound to
    grade,
    verifier,
    max_age,
    claims,
};

/// "granted", "unknown-secret", ...: stable, for JSON.
[[nodiscard]] std::string_view reason_name(Reason reason) noexcept;

/// The release rules alone: the secret's policy, and the workloads of `callers` (indices) that may
/// have it. Deny wins. Errc::secret_unavailable when there is no such secret or none of them may.
struct Permission {
    const SecretPolicy* secret;
    std::vector<std::uint32_t> workloads;
};
[[nodiscard]] Result<Permission> permit(const Config& policy,
                                        const std::vector<std::uint32_t>& callers,
                                        std::string_view name);

/// How well what this source hands out was protected on its way.
[[nodiscard]] Protection protection_of(const Config& policy, const SecretPolicy& secret) noexcept;

struct Judgement {
    Reason reason;
    const SecretPolicy* secret;            ///< null when there is none of that name
    std::vector<std::uint32_t> workloads;  ///< those that are allowed
    BootTime expires{};                    ///< of a grant
    std::string detail{};                  ///< of a refusal that the attestation result causes
};

/// Judges for a caller who is these workloads.
[[nodiscard]] Judgement judge(const Config& policy, const std::vector<std::uint32_t>& callers,
                              std::string_view name, const std::optional<Affirmation>& session,
                              BootTime now);

/// Judges for attestd itself: the secret that opens the `remote` slot of `store`. The result must
/// be as good as for any secret.
[[nodiscard]] Judgement judge_slot(const Config& policy, std::string_view store,
                                   const std::optional<Affirmation>& session, BootTime now);

/// Which token is asked for: the one for this audience, or, where there is none, the one of this
/// issuer (a key broker's source; empty: the verifier).
struct TokenWish {
    std::string audience;
    std::string issuer{};
    bool prefers_key = false;  ///< of several workloads, one that may have the key, too
};

/// Judges for a caller who is these workloads, of which the first that may have the token speaks.
/// The result must be as good as for any secret.
[[nodiscard]] Judgement judge_token(const Config& policy, const std::vector<std::uint32_t>& callers,
                                    const TokenWish& wish,
                                    const std::optional<Affirmation>& session, BootTime now);

/// The code that a refusal is answered with: Errc::secret_unavailable for whatever the caller may
/// not know, else Errc::not_affirming or Errc::binding_mismatch.
[[nodiscard]] Errc errc_of(Reason reason) noexcept;

/// One condition of a secret and how it stands.
struct ConditionState {
    std::string condition;      ///< "claims.mrtd", "max_age", ...
    std::string wanted, found;  ///< as in the configuration
    bool holds;
};
/// Every condition of `secret`, in order; without a session none on the result holds.
[[nodiscard]] std::vector<ConditionState> condition_states(
    const Config& policy, const SecretPolicy& secret, const std::optional<Affirmation>& session,
    BootTime now);

/// What result.claims() says about one of all_claims().
[[nodiscard]] ClaimView claim_of(const AttestationResult& result, const ClaimInfo& claim);

}  // namespace attestd
