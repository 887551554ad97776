// RemoteSource: a source of secrets that is not ours: it has to be asked, may be away, and may want
// a login.
//
// The class Vault (agent/release/vault.h) gives each a thread of its own, caches what it gives and
// counts what came of it; HashiCorp's product of that name is agent/hashivault/.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/source.h"
#include "agent/sources/identity_token.h"

namespace attestd {

/// A number that a kind of source counts beside what all of them count.
struct RemoteCount {
    std::string_view name;    ///< in status
    std::string_view metric;  ///< attestd_METRIC_total, with the source's name as label
    std::string_view help;
    std::uint64_t value;
};

/// How a remote source stands. Times that are over say that nothing is there.
struct RemoteStatus {
    std::optional<BootTime> next_try;       ///< it is left alone until then
    std::optional<BootTime> login_expires;  ///< of the present login, session or token
    std::optional<BootTime> lease_expires;  ///< the first of its leases to end
    std::optional<BootTime> upkeep_at;      ///< when upkeep() wants to be called
    std::string token;                      ///< what the login's token says, for people
    std::vector<RemoteCount> counts;
};

/// Calls block, on a thread of their own, one at a time for each source.
class RemoteSource : public SecretSource {
 public:
    /// "kbs", ...: as in configuration.
    [[nodiscard]] virtual std::string_view type() const noexcept = 0;
    [[nodiscard]] virtual RemoteStatus status() const = 0;

    /// Drops login, keys and leases, and says so to the service where it has a way to hear it:
    /// within a few seconds, whether it answers or not.
    virtual void forget() noexcept = 0;

    /// A token of this source's issuer, and the key that it is about, for a workload: never what
    /// the source itself logs in with. `grant` is decide_token()'s. Errc::identity_unavailable when
    /// the source issues none.
    [[nodiscard]] virtual Result<GivenToken> give_token(const Grant& grant, KeyExport key) {
        static_cast<void>(grant);
        static_cast<void>(key);
        return fail(Errc::identity_unavailable, "this source issues no tokens");
    }

    /// Renews what ends before long; does nothing when nothing does. An error says that something
    /// was not renewed: it serves until its end, after which the source logs in when it is asked.
    [[nodiscard]] virtual Result<void> upkeep() { return {}; }
};

}  // namespace attestd
