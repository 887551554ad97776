// What must hold of the attestation result before a secret leaves: "require" of a secret.
//
// Names and values are resolved here, once: what judges later compares bytes and numbers. A name
// that no evidence has, or a value that no such claim can have, is refused, since the secret would
// never leave.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/internal/load_context.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxClaimSets = 16;
constexpr std::size_t kMaxClaimValues = 256;
constexpr std::size_t kMaxVerifiers = 8;
constexpr std::int64_t kMaxClaimNumber = 0xffffffff;
constexpr std::array<std::string_view, 7> kVerifierKinds{"local",    "kbs",     "ita",     "maa",
                                                         "veraison", "coco_as", "external"};

Result<Protection> parse_protection(const std::string& text) {
    if (text == "transport") return Protection::transport;
    if (text == "end_to_end") return Protection::end_to_end;
    return fail(Errc::bad_value, "\"transport\" or \"end_to_end\" is expected");
}

Result<GradeCondition> parse_grade(const std::string& text) {
    if (text == "production") return GradeCondition::production;
    if (text == "test") return GradeCondition::test;
    return fail(Errc::bad_value, "\"production\" or \"test\" is expected");
}

Result<std::string> parse_verifier_kind(const std::string& text) {
    if (std::find(kVerifierKinds.begin(), kVerifierKinds.end(), text) != kVerifierKinds.end())
        return text;
    return fail(
        Errc::bad_value,
        "\"local\", \"kbs\", \"ita\", \"maa\", \"veraison\", \"coco_as\" or \"external\" is "
        "expected");
}

Result<ClaimValue> claim_value(const ClaimInfo& claim, const JsonValue& value) {
    if (claim.form == ClaimForm::flag) {
        ATTESTD_TRY(const bool flag, value.boolean());
        return ClaimValue(flag);
    }
    if (claim.form == ClaimForm::number) {
        ATTESTD_TRY(const std::int64_t number, value.integer(0, kMaxClaimNumber));
        return ClaimValue(static_cast<std::uint64_t>(number));
    }
    return parse_text(value,
                      [&](const std::string& text) { return parse_claim_text(claim, text); });
}

// One value, or a list of which one must be the claim's.
Result<ClaimCondition> claim_condition(const std::string& name, const JsonValue& value) {
    const auto index = claim_index(name);
    if (!index) {
        return value.fail_here(Errc::bad_reference,
                               "neither a TDX quote nor an SNP report has a claim of this name; "
                               "attestctl verify --json prints those that there are");
    }
    ClaimCondition out{*index, {}};
    const ClaimInfo& claim = all_claims()[*index];
    if (!value.is_array()) {
        ATTESTD_TRY(out.one_of.emplace_back(), claim_value(claim, value));
        return out;
    }
    ATTESTD_TRY(const auto values, value.array(kMaxClaimValues));
    if (values.empty()) return value.fail_here(Errc::bad_config, "no value: it could never hold");
    for (const JsonValue& one : values) {
        ATTESTD_TRY(out.one_of.emplace_back(), claim_value(claim, one));
    }
    return out;
}

// {"mrtd": ..., "rtmr1": [...]}: all of them at once, so of one kind of evidence.
Result<std::vector<ClaimCondition>> claim_set(const JsonValue& value) {
    std::vector<ClaimCondition> out;
    ATTESTD_TRY(JsonObject members, value.object());
    bool fits_td = true, fits_snp = true;
    for (const auto& [name, member] : members.rest()) {
        ATTESTD_TRY(out.emplace_back(), claim_condition(name, member));
        const ClaimInfo& claim = all_claims()[out.back().claim];
        fits_td = fits_td && claim.of_td != nullptr;
        fits_snp = fits_snp && claim.of_snp != nullptr;
        if (!fits_td && !fits_snp) {
            return member.fail_here(Errc::bad_config,
                                    "no evidence has this claim together with those before it; "
                                    "give one object for each kind of evidence, in a list");
        }
    }
    if (out.empty()) return value.fail_here(Errc::bad_config, "no claim is named");
    return out;
}

Result<std::vector<std::vector<ClaimCondition>>> claim_sets(const MaybeValue& value) {
    std::vector<std::vector<ClaimCondition>> out;
    if (!value) return out;
    if (!value->is_array()) {
        ATTESTD_TRY(out.emplace_back(), claim_set(*value));
        return out;
    }
    ATTESTD_TRY(const auto sets, value->array(kMaxClaimSets));
    if (sets.empty()) return value->fail_here(Errc::bad_config, "no set: it could never hold");
    for (const JsonValue& set : sets) {
        ATTESTD_TRY(out.emplace_back(), claim_set(set));
    }
    return out;
}

Result<std::vector<std::string>> verifier_kinds(const MaybeValue& value) {
    std::vector<std::string> out;
    if (!value) return out;
    if (!value->is_array()) {
        ATTESTD_TRY(out.emplace_back(), parse_text(*value, parse_verifier_kind));
        return out;
    }
    ATTESTD_TRY(const auto kinds, value->array(kMaxVerifiers));
    if (kinds.empty()) return value->fail_here(Errc::bad_config, "no kind: it could never hold");
    for (const JsonValue& kind : kinds) {
        ATTESTD_TRY(out.emplace_back(), parse_text(kind, parse_verifier_kind));
    }
    return out;
}

}  // namespace

Result<Conditions> load_conditions(const MaybeValue& value, bool is_test) {
    constexpr Millis kMinAge = std::chrono::seconds(1);
    Conditions out;
    if (!value) return out;
    ATTESTD_TRY(JsonObject in, value->object());
    ATTESTD_TRY(out.claims, claim_sets(in.optional("claims")));
    ATTESTD_TRY(out.verifiers, verifier_kinds(in.optional("verifier")));
    if (const auto max_age = in.optional("max_age")) {
        ATTESTD_TRY(out.max_age, parse_text(*max_age, parse_duration));
        if (*out.max_age < kMinAge)
            return max_age->fail_here(Errc::bad_value, "must be at least 1s");
    }
    if (const auto grade = in.optional("grade")) {
        ATTESTD_TRY(out.grade, parse_text(*grade, parse_grade));
        if (is_test != (out.grade == GradeCondition::test)) {
            return grade->fail_here(Errc::bad_config,
                                    "\"test\" goes with \"test\": true, and only with it");
        }
    }
    if (const auto min_protection = in.optional("min_protection")) {
        ATTESTD_TRY(out.min_protection, parse_text(*min_protection, parse_protection));
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

}  // namespace attestd
