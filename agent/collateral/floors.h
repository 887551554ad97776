// Floors: the newest date that was seen of each endorsement, so that none ever goes back
// (`spec/tdx.md` section 5.5, pitfalls 21 and 29; DESIGN section 9, invariants 7 and 11).
//
// Intel's lists always carry number 1, so dates decide. Only what was verified raises a floor.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "verifier/endorsement_check.h"

namespace attestd {

class Floors final {
 public:
    /// What write() wrote. `name` is for errors. Errc::collateral_damaged.
    [[nodiscard]] static Result<Floors> parse(std::string_view text, const std::string& name);
    [[nodiscard]] std::string write() const;

    /// Errc::crl_rollback or Errc::collateral_rollback when `checked` is older than what was seen
    /// under `name`.
    [[nodiscard]] Result<void> check(const std::string& name,
                                     const CheckedEndorsement& checked) const;
    /// Errc::clock_before_collateral when `now` is before the newest date of all.
    [[nodiscard]] Result<void> check_clock(Time now) const;

    /// Raises the floor of `name`. Returns whether anything rose.
    bool raise(const std::string& name, const CheckedEndorsement& checked);

    /// The highest evaluation data number seen under `name`.
    [[nodiscard]] std::optional<std::uint32_t> number(const std::string& name) const;
    [[nodiscard]] Time newest() const noexcept { return newest_; }
    [[nodiscard]] std::size_t size() const noexcept { return seen_.size(); }

 private:
    struct Seen {
        Time from;
        std::optional<std::uint32_t> number;
    };
    std::map<std::string, Seen, std::less<>> seen_;
    Time newest_{};
};

}  // namespace attestd
