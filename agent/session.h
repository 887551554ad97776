// Session: the platform's standing: fresh evidence appraised again and again, in the background.
//
// One loop, one attempt at a time. What is current() opens secrets; when the platform is refused,
// or the result reaches its stated end, the session says so at once to whoever keeps secrets.
#pragma once

#include <functional>
#include <memory>
#include <random>
#include <string>

#include "agent/kbs/tee_evidence.h"
#include "agent/release/grant.h"
#include "agent/renewal.h"
#include "agent/task.h"
#include "agent/verifier_kind.h"
#include "quote/platform/platform.h"

namespace attestd {

/// What came of the last attempt.
enum class AttemptOutcome : std::uint8_t { none, affirmed, refused, unreachable };

[[nodiscard]] constexpr std::string_view outcome_name(AttemptOutcome outcome) noexcept {
    constexpr std::string_view kNames[] = {"none", "affirmed", "refused", "unreachable"};
    return kNames[static_cast<std::size_t>(outcome)];
}

class Session final {
 public:
    /// Called on the event loop.
    struct Hooks {
        std::function<void()> on_change = [] {};  ///< another epoch began, or the session ended
        std::function<void()> on_end = [] {};     ///< nothing opens any more: wipe
        /// What an appraisal lacked, or will lack before long.
        std::function<void(const std::vector<EndorsementId>&)> on_wanted = [](const auto&) {};
    };
    struct Status {
        AttemptOutcome last = AttemptOutcome::none;
        std::string last_error;                          ///< why the last attempt affirmed nothing
        std::optional<Time> last_success, last_failure;  ///< when an attempt did, and did not
        std::uint64_t num_attempts = 0, num_affirmed = 0, num_refused = 0, num_unreachable = 0;
        std::optional<AttestationResult> last_result;  ///< of the last appraisal, whatever it said
    };

    /// `platform` and the strand's pool outlive the session. All calls to `platform` go by
    /// `strand`.
    Session(Io& io, Strand strand, Platform& platform, std::shared_ptr<VerifierKind> verifier,
            Millis max_age, Millis collect_timeout);

    void set_hooks(Hooks hooks) { hooks_ = std::move(hooks); }

    /// Runs until stop(). Called once.
    [[nodiscard]] Task<void> run();
    void stop();

    /// Renews as soon as possible.
    void renew_now();
    /// Endorsements came: renews at once if that may mend what the last attempt lacked.
    void endorsements_came();
    /// Some secret asks for evidence no older than this: it is renewed in time for that.
    void set_freshness(std::optional<Millis> fresh);
    /// For what is asked of the platform from now on.
    void set_collect_timeout(Millis timeout) noexcept { collect_timeout_ = timeout; }
    /// The same by other rules from now on: after a reload. The result so far was appraised by the
    /// old policy, so it ends.
    void replace_verifier(std::shared_ptr<VerifierKind> verifier, Millis max_age);

    [[nodiscard]] std::optional<Affirmation> current(BootTime now) const;
    /// The verifier's token behind what is current; null when there is none. It ends with the
    /// session: who keeps a hold of it asks again each time.
    [[nodiscard]] std::shared_ptr<const VerifierToken> token(BootTime now) const;
    /// Whose evidence is behind what is current; none when nothing is.
    [[nodiscard]] std::optional<kbs::TeeKind> tee_kind(BootTime now) const;
    [[nodiscard]] const Status& status() const noexcept { return status_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return renewal_.epoch(); }
    /// When the next attempt is due: not before now.
    [[nodiscard]] BootTime next_attempt() const noexcept {
        return std::max(renewal_.next_attempt(), BootClock::now());
    }
    [[nodiscard]] std::string_view verifier_name() const noexcept { return verifier_->name(); }
    [[nodiscard]] std::string_view platform_name() const noexcept { return platform_.name(); }

    /// Evidence for a workload. Waits its turn behind the session's own, up to the time that one
    /// piece of evidence may take: Errc::timed_out. Who asks for what the same workload has asked
    /// for already shares its answer. Errc::too_busy when too many wait already, of all or of this
    /// workload; else the platform's error.
    [[nodiscard]] Task<Result<Evidence>> collect(std::string workload, ReportData report_data);

 private:
    struct Attempt;
    struct Collection;
    [[nodiscard]] Task<Result<Evidence>> take_turn(ReportData report_data);
    [[nodiscard]] Task<void> attempt();
    [[nodiscard]] Task<Result<Attempt>> question_and_answer();
    void settle(Result<Attempt> attempted, BootTime asked);
    void affirmed(const AttestationResult& result, BootTime asked, AffirmingResult key);
    void ended();
    void not_affirmed(AttemptOutcome outcome, std::string why, BootTime now);
    void drop_expired();
    [[nodiscard]] double jitter();

    Io& io_;
    Strand strand_;
    Strand verifier_strand_;  // of the same pool: a slow verifier keeps nobody from the platform
    Platform& platform_;
    std::shared_ptr<VerifierKind> verifier_;
    std::shared_ptr<const VerifierToken> token_;  // of what is current
    std::optional<kbs::TeeKind> tee_kind_;        // likewise
    Millis max_age_, collect_timeout_;
    std::optional<Millis> fresh_;
    Renewal<AffirmingResult> renewal_;
    Hooks hooks_;
    Status status_;
    Timer wake_;
    WaitList platform_free_;
    bool is_platform_busy_ = false;  // with a workload's request
    bool is_renewing_ = false;
    std::minstd_rand random_;
    std::vector<std::shared_ptr<Collection>> collections_;  // asked for and not answered
    std::uint64_t generation_ = 0;  // of the verifier: an answer of an old one does not count
    bool stopped_ = false;
};

}  // namespace attestd
