#include "agent/delivery/kept.h"

#include <algorithm>

namespace attestd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstPause{500};
constexpr milliseconds kLongestPause{10'000};
constexpr unsigned kMaxDoublings = 5;
constexpr seconds kLongestWait{60};  // the daemon's own limit, unless configured otherwise

}  // namespace

KeptChange Kept::drop() {
    if (!value_) return KeptChange::none;
    value_.reset();
    version_.clear();
    return KeptChange::gone;
}

KeptChange Kept::answered(Result<SecretAnswer> answer, BootTime now) {
    if (answer && !answer->value && !value_) {
        answer =
            fail(Errc::protocol, "the daemon says that nothing changed, but nothing was known");
    }
    if (!answer) {
        ++num_failures_;
        trouble_ = std::move(answer).error();
        if (trouble_->code == Errc::secret_unavailable) return drop();
        return pass(now);
    }
    num_failures_ = 0;
    trouble_.reset();
    until_ = now + answer->keep_for;
    if (!answer->value) return pass(now);
    const bool is_other = !value_ || !(*value_ == *answer->value);
    value_ = std::move(answer->value);
    version_ = std::move(answer->version);
    if (pass(now) == KeptChange::gone) return KeptChange::gone;
    return is_other ? KeptChange::fresh : KeptChange::none;
}

KeptChange Kept::pass(BootTime now) { return value_ && now >= until_ ? drop() : KeptChange::none; }

// At two thirds of its life, so that a third is left for trying again.
NextAsk Kept::next(BootTime now) const {
    NextAsk out{milliseconds(0), version_, seconds(0)};
    if (num_failures_ != 0) {
        const unsigned doublings = std::min(num_failures_ - 1, kMaxDoublings);
        out.pause = std::min(kFirstPause * (1U << doublings), kLongestPause);
        return out;
    }
    if (!value_) return out;
    const auto two_thirds = std::chrono::floor<seconds>((until_ - now) * 2 / 3);
    out.wait = std::clamp(two_thirds, seconds(1), kLongestWait);
    return out;
}

}  // namespace attestd
