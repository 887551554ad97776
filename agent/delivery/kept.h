// Kept: one secret that is kept fresh: what is known of it, how long it may be kept, and when to
// ask next. No I/O and no clock of its own.
//
// The daemon states with each answer how long the secret may be kept. An outage is survived until
// then and no longer; a refusal ends it at once.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "agent/clock.h"
#include "agent/delivery/service.h"

namespace attestd {

enum class KeptChange : std::uint8_t {
    none,
    fresh,  ///< another value than before
    gone,   ///< expired or refused: it was wiped
};

/// When and how to ask next.
struct NextAsk {
    std::chrono::milliseconds pause;  ///< before asking
    std::string known;                ///< version; empty: asks for the value
    std::chrono::seconds wait;        ///< for a change
};

class Kept final {
 public:
    /// What came of asking, at `now`.
    KeptChange answered(Result<SecretAnswer> answer, BootTime now);
    /// Time went on.
    KeptChange pass(BootTime now);

    [[nodiscard]] NextAsk next(BootTime now) const;
    /// Null when there is none.
    [[nodiscard]] const Secret* value() const noexcept { return value_ ? &*value_ : nullptr; }
    /// When it expires, if there is one.
    [[nodiscard]] std::optional<BootTime> until() const noexcept {
        return value_ ? std::optional(until_) : std::nullopt;
    }
    /// Why the last question got no answer.
    [[nodiscard]] const std::optional<Error>& trouble() const noexcept { return trouble_; }

 private:
    KeptChange drop();

    std::optional<Secret> value_;
    std::string version_;
    BootTime until_{};
    std::optional<Error> trouble_;
    unsigned num_failures_ = 0;  // one after another
};

}  // namespace attestd
