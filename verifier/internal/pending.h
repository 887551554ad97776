// Pending: an appraisal before its verdict. Private to the verifier.
#pragma once

#include <optional>
#include <utility>

#include "verifier/internal/result_builder.h"

namespace attestd {

struct Pending {
    ResultBuilder out;
    std::optional<Time> until;     ///< set when the hardware's evidence was verified in full
    std::size_t num_absences = 0;  ///< findings that say that something was not given
    bool failed = false;           ///< structure or cryptography said no: nothing more is judged

    /// A failed step: the verdict is a refusal.
    void fail(const Error& error) {
        out.add(error);
        failed = true;
    }
    /// Something that was not given, and that an acceptance would need.
    void absent(const Error& error) {
        out.add(error);
        ++num_absences;
    }
    /// The same where no Errc says it.
    void absent(std::string_view id, std::string detail) {
        out.error(id, std::move(detail));
        ++num_absences;
    }

    [[nodiscard]] AttestationResult conclude() && {
        if (until && !failed && num_absences == 0) return std::move(out).finish_verified(*until);
        const bool only_absences = !failed && num_absences > 0 && out.num_errors() == num_absences;
        return std::move(out).finish_unverified(only_absences);
    }
};

}  // namespace attestd
