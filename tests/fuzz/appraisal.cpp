#include "tests/fuzz/appraisal.h"

#include <nlohmann/json.hpp>

#include "verifier/claims_json.h"

namespace attestd::fuzz {

Time forged_at() {
    static const Time at = must(make_time(2026, 11, 22, 8, 0, 0, "time"));
    return at;
}

ForgedCase::ForgedCase(std::string_view kind)
    : intel_(!kind.starts_with("snp-")), files_(must(forge::forge_case(kind, forged_at()))) {
    const std::vector<std::string_view> given =
        intel_
            ? std::vector<std::string_view>{"collateral.json"}
            : std::vector<std::string_view>{"leaf.der", "intermediate.der", "root.der", "crl.der"};
    for (const std::string_view name : given)
        holds(endorsements_.add(file(name), name).has_value(), "a forged endorsement is taken");
    TrustAnchors anchors;
    holds(anchors.add_certificate(file("root.der")).has_value(), "the forged root is taken");
    verifier_ = std::make_unique<LocalVerifier>(std::move(anchors));
    holds(appraise(evidence()).verdict() == Verdict::accepted, "the forged evidence is accepted");
}

AttestationResult ForgedCase::appraise(ByteView evidence) {
    return verifier_->appraise(evidence, endorsements_, {}, {}, forged_at());
}

AttestationResult ForgedCase::appraise_with(const Endorsements& endorsements) {
    return verifier_->appraise(evidence(), endorsements, {}, {}, forged_at());
}

void look_at(const AttestationResult& result) {
    const std::string text = to_json(result).dump();
    holds(!text.empty(), "a result can be written");
    const bool accepted = result.verdict() == Verdict::accepted;
    holds(result.affirming().has_value() == accepted, "accepted results, and no others, affirm");
    holds(result.valid_until().has_value() == accepted, "what is accepted ends some day");
}

}  // namespace attestd::fuzz
