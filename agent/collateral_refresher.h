// CollateralRefresher: fetches what appraisals lack, in the background, one batch at a time.
//
// Nothing waits for it: an appraisal that lacks something is undecided, and is made again when the
// endorsement has come. On its own strand, so that a service that hangs delays nobody's evidence.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/clock.h"
#include "agent/collateral/provider.h"
#include "agent/task.h"
#include "config/config.h"

namespace attestd {

class CollateralRefresher final {
 public:
    struct Status {
        std::uint64_t num_fetched = 0, num_failed = 0;
        std::string last_error;  ///< of the last batch; empty when all of it came
        std::optional<Time> last_success, last_failure;  ///< of batches that asked a service
        /// Before which what did not come is not asked for again; an appraisal that lacks it asks.
        BootTime held_until{};
        /// When each endorsement ends that was obtained, as endorsement_words() calls it.
        std::map<std::string, Time> ends;
    };

    CollateralRefresher(Io& io, Strand strand, const VerifierConfig& config);

    /// By another configuration from now on.
    void configure(const VerifierConfig& config);
    /// Called on the event loop when something new is in the cache.
    void set_on_fetched(std::function<void()> hook) { on_fetched_ = std::move(hook); }

    /// Asks for these, soon. What is wanted already is not asked for twice.
    void want(const std::vector<EndorsementId>& ids);

    /// Runs until stop(). Called once.
    [[nodiscard]] Task<void> run();
    void stop();

    [[nodiscard]] const Status& status() const noexcept { return status_; }

 private:
    struct Work;
    struct Batch;
    void settle(const Batch& batch);

    Strand strand_;
    std::shared_ptr<Work> work_;  // null when nothing is to be fetched
    std::vector<EndorsementId> wanted_;
    std::function<void()> on_fetched_ = [] {};
    Status status_;
    Timer wake_;
    bool stopped_ = false;
    bool is_idle_ = false;  // nothing is wanted: the next wish wakes it
};

}  // namespace attestd
