// decide(): may this caller have this secret now? A pure function, and the only maker of Grants.
//
// A Grant is what a source demands before it hands out a secret. It says under which session and
// which policy it was made, and is worth nothing under another: holds() is asked again right before
// the bytes leave.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/caller/caller.h"
#include "agent/clock.h"
#include "config/config.h"
#include "verifier/result.h"

namespace attestd {

/// The session's word that the platform was appraised and affirmed, and until when it says so.
struct Affirmation {
    AffirmingResult result;
    std::uint64_t epoch;  ///< of the session: changes with each result
    BootTime expires;
};

using PolicyPtr = std::shared_ptr<const Config>;

class Grant final {
 public:
    [[nodiscard]] const SecretPolicy& secret() const noexcept { return *secret_; }
    [[nodiscard]] const Config& policy() const noexcept { return *policy_; }
    /// Indices of the workloads by which the caller may have it.
    [[nodiscard]] const std::vector<std::uint32_t>& workloads() const noexcept {
        return workloads_;
    }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] BootTime expires() const noexcept { return expires_; }

    /// Whether the grant is still worth something: same session result, same policy, not expired.
    [[nodiscard]] bool holds(const PolicyPtr& policy, const std::optional<Affirmation>& session,
                             BootTime now) const noexcept;

 private:
    friend Result<Grant> decide(const PolicyPtr&, const Caller&, std::string_view,
                                const std::optional<Affirmation>&, BootTime);
    Grant() = default;

    PolicyPtr policy_;  // keeps secret_ alive
    const SecretPolicy* secret_ = nullptr;
    std::vector<std::uint32_t> workloads_;
    std::uint64_t epoch_ = 0;
    BootTime expires_{};
};

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

/// Judges. Errc::secret_unavailable as permit(); Errc::not_affirming, only for a caller who would
/// be allowed, when there is no affirming result, or one of test grade and the secret is not for
/// tests.
[[nodiscard]] Result<Grant> decide(const PolicyPtr& policy, const Caller& caller,
                                   std::string_view name, const std::optional<Affirmation>& session,
                                   BootTime now);

}  // namespace attestd
