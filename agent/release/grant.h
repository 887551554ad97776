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
#include "agent/release/judgement.h"

namespace attestd {

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
    friend Result<Grant> decide_slot(const PolicyPtr&, std::string_view,
                                     const std::optional<Affirmation>&, BootTime);
    friend Result<Grant> decide_token(const PolicyPtr&, const Caller&, const TokenWish&,
                                      const std::optional<Affirmation>&, BootTime);
    static Result<Grant> from(const PolicyPtr& policy, Judgement judgement,
                              const std::optional<Affirmation>& session);
    Grant() = default;

    PolicyPtr policy_;  // keeps secret_ alive
    const SecretPolicy* secret_ = nullptr;
    std::vector<std::uint32_t> workloads_;
    std::uint64_t epoch_ = 0;
    BootTime expires_{};
};

/// A grant when judge() says yes, else errc_of() its reason. Errc::not_affirming and
/// Errc::binding_mismatch come only to a caller whom the release rules allow.
[[nodiscard]] Result<Grant> decide(const PolicyPtr& policy, const Caller& caller,
                                   std::string_view name, const std::optional<Affirmation>& session,
                                   BootTime now);

/// The same for attestd itself: the secret that opens the `remote` slot of `store`.
[[nodiscard]] Result<Grant> decide_slot(const PolicyPtr& policy, std::string_view store,
                                        const std::optional<Affirmation>& session, BootTime now);

/// The same for a token about this machine; secret() of the grant is the TokenGrant's, and
/// workloads() is the one that speaks.
[[nodiscard]] Result<Grant> decide_token(const PolicyPtr& policy, const Caller& caller,
                                         const TokenWish& wish,
                                         const std::optional<Affirmation>& session, BootTime now);

}  // namespace attestd
