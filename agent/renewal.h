// Renewal: the rules by which a platform session lives. Pure: events and times go in, answers come
// out.
//
// A result is renewed at two thirds of its life, serves until its stated end and not a moment
// longer, and survives an outage of platform or verifier until then. A refusal ends it at once.
// `Key` is what an affirming result is represented by; tests use a number.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/clock.h"

namespace attestd {

template <class Key>
class Renewal final {
 public:
    using Duration = BootClock::duration;

    struct Held {
        Key key;
        std::uint64_t epoch;
        BootTime expires;
        BootTime asked;
    };

    /// The platform was affirmed; the answer may be used for `life` from `asked`, when the nonce
    /// was made. Renewed as though its life were `fresh`, when that is shorter. `jitter` (0 to 1)
    /// spreads renewals of many machines over a tenth of the life.
    void affirmed(Key key, BootTime asked, Duration life, double jitter,
                  Duration fresh = Duration::max()) {
        held_.emplace(std::move(key), ++epoch_, asked + life, asked);
        num_failures_ = 0;
        const Duration until = std::min(life, fresh);
        next_ = asked + until * 2 / 3 - part(until / 10, jitter);
    }

    /// The appraisal said no: nothing is served any more.
    void refused(BootTime now, double jitter) {
        end();
        next_ = now + back_off(jitter);
    }

    /// Nobody could say: what is held stays until its end.
    void unreachable(BootTime now, double jitter) {
        next_ = now + back_off(jitter);
        if (held_ && now >= held_->expires) end();
    }

    /// Try at once: an administrator asked.
    void renew_now() noexcept { next_ = BootTime::min(); }

    /// What opens at this moment; null when nothing does.
    [[nodiscard]] const Held* current(BootTime now) const noexcept {
        return held_ && now < held_->expires ? &*held_ : nullptr;
    }

    /// Drops what has expired. True when there was something to drop.
    bool expire(BootTime now) {
        if (!held_ || now < held_->expires) return false;
        end();
        return true;
    }

    /// When to wake up next: to renew, or to drop.
    [[nodiscard]] BootTime next_event() const noexcept {
        return held_ ? std::min(next_, held_->expires) : next_;
    }
    [[nodiscard]] BootTime next_attempt() const noexcept { return next_; }
    [[nodiscard]] bool is_due(BootTime now) const noexcept { return now >= next_; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] unsigned num_failures() const noexcept { return num_failures_; }

 private:
    static constexpr Duration kFirstRetry = std::chrono::seconds(1);
    static constexpr Duration kLastRetry = std::chrono::seconds(60);

    static Duration part(Duration whole, double share) {
        return Duration(static_cast<Duration::rep>(static_cast<double>(whole.count()) * share));
    }

    void end() {
        if (!held_) return;
        held_.reset();
        ++epoch_;  // a grant of the old epoch never fits again
    }

    // 1 s, 2 s, 4 s, ... 60 s; up to half as much again.
    Duration back_off(double jitter) {
        Duration wait = kFirstRetry;
        for (unsigned i = 0; i < num_failures_ && wait < kLastRetry; ++i) wait *= 2;
        ++num_failures_;
        wait = std::min(wait, kLastRetry);
        return wait + part(wait / 2, jitter);
    }

    std::optional<Held> held_;
    std::uint64_t epoch_ = 0;
    BootTime next_ = BootTime::min();
    unsigned num_failures_ = 0;
};

}  // namespace attestd
