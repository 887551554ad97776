// What "never verified" is held against: forged evidence with all that its appraisal depends on.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tests/fuzz/target.h"
#include "tests/support/forge/case_forge.h"
#include "verifier/verifier.h"

namespace attestd::fuzz {

/// The time at which the forged evidence is good.
[[nodiscard]] Time forged_at();

/// A forged case, and a verifier that accepts it and remembers.
class ForgedCase final {
 public:
    /// `kind` as forge::case_kinds() has it.
    explicit ForgedCase(std::string_view kind);

    [[nodiscard]] const Bytes& file(std::string_view name) const {
        return forge::content_of(files_, name);
    }
    /// Quote or report.
    [[nodiscard]] const Bytes& evidence() const {
        return file(intel_ ? "quote.bin" : "report.bin");
    }

    /// Of this evidence with the case's own endorsements.
    [[nodiscard]] AttestationResult appraise(ByteView evidence);
    /// Of the case's own evidence with these endorsements.
    [[nodiscard]] AttestationResult appraise_with(const Endorsements& endorsements);

 private:
    bool intel_;
    std::vector<forge::CaseFile> files_;
    Endorsements endorsements_;
    std::unique_ptr<LocalVerifier> verifier_;
};

/// Calls what every user of a result calls: none of it may fail on evidence that parsed.
void look_at(const AttestationResult& result);

}  // namespace attestd::fuzz
