// Backoff: when to ask a service again that failed or refused.
//
// Pauses double up to a bound and lie at random between half of it and all of it, so that machines
// which failed together do not come back together.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "agent/clock.h"
#include "quote/base/result.h"

namespace attestd {

class Backoff final {
 public:
    struct Bounds {
        std::chrono::milliseconds first, longest;
    };
    /// It did not answer, or asked to come later.
    static constexpr Bounds kFailed{std::chrono::seconds(1), std::chrono::minutes(1)};
    /// It refuses this machine, and the same evidence would be refused again.
    static constexpr Bounds kRefused{std::chrono::seconds(5), std::chrono::minutes(5)};

    /// `jitter` is from 0 to 1. A pause that the service asked for is kept, up to an hour.
    void failed(Error error, Bounds bounds, BootTime now, double jitter,
                std::optional<std::chrono::seconds> asked) {
        constexpr unsigned kMaxDoublings = 10;
        const auto doubled = bounds.first * (1U << std::min(num_failed_, kMaxDoublings));
        const std::chrono::duration<double, std::milli> pause =
            std::min<std::chrono::milliseconds>(doubled, bounds.longest);
        const auto jittered = std::chrono::duration_cast<BootClock::duration>(
            pause * (0.5 + 0.5 * std::clamp(jitter, 0.0, 1.0)));
        until_ = now + std::max<BootClock::duration>(jittered,
                                                     asked.value_or(std::chrono::seconds::zero()));
        error_ = std::move(error);
        ++num_failed_;
    }
    void succeeded() noexcept {
        error_.reset();
        num_failed_ = 0;
    }

    /// The failure that still holds, or null.
    [[nodiscard]] const Error* holds(BootTime now) const noexcept {
        return error_ && now < until_ ? &*error_ : nullptr;
    }
    [[nodiscard]] BootTime until() const noexcept { return until_; }

 private:
    std::optional<Error> error_;
    BootTime until_{};
    unsigned num_failed_ = 0;
};

}  // namespace attestd
