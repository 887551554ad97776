// ProvisionDesk: the requests that this run of the daemon made and that wait for their package.
//
// The private key of each lives here and nowhere else, in memory for secrets; it is wiped when the
// request is answered or ends, and with the process. Each request is good once.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/clock.h"
#include "agent/provision/request.h"

namespace attestd {

class ProvisionDesk final {
 public:
    static constexpr std::size_t kMaxPending = 16;
    static constexpr std::size_t kMaxEnded = 256;  ///< of those whose end is remembered

    /// Errc::crypto_failed.
    [[nodiscard]] static Result<ProvisionDesk> make();

    /// A request with a fresh key on P-256. `life` is from 1 s to kMaxProvisionLife, else
    /// Errc::bad_value; Errc::bad_value for the label; Errc::too_busy when kMaxPending wait.
    [[nodiscard]] Result<ProvisionBody> issue(std::string machine, std::chrono::seconds life,
                                              Time wall, BootTime now);
    /// Forgets a request that nobody was told of.
    void withdraw(const ProvisionId& id) { pending_.erase(id); }

    using Key = std::shared_ptr<const JosePrivateKey>;

    /// The key of a request, which is held for one answer: put_back() or consume() follows.
    /// Errc::provision_restarted, Errc::provision_expired, Errc::provision_consumed,
    /// Errc::provision_unknown; Errc::too_busy while another answer holds it.
    [[nodiscard]] Result<Key> take(const ProvisionId& instance, const ProvisionId& id,
                                   BootTime now);
    /// The answer was not good: another may follow.
    void put_back(const ProvisionId& id);
    /// The answer was taken: the key ends.
    void consume(const ProvisionId& id);

    /// Ends what has expired. Returns when the next one expires; BootTime::max() when none waits.
    BootTime expire(BootTime now);
    /// Ends all.
    void clear() noexcept { pending_.clear(); }

    [[nodiscard]] const ProvisionId& instance() const noexcept { return instance_; }
    [[nodiscard]] std::size_t num_pending() const noexcept { return pending_.size(); }

 private:
    struct Pending {
        Key key;
        BootTime ends;
        bool is_taken = false;
    };
    struct Ended {
        ProvisionId id;
        Errc how;
    };

    explicit ProvisionDesk(const ProvisionId& instance) : instance_(instance) {}
    void end(const ProvisionId& id, Errc how);

    ProvisionId instance_;
    std::map<ProvisionId, Pending> pending_;
    std::deque<Ended> ended_;
};

}  // namespace attestd
