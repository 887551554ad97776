#include "agent/release/judgement.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "agent/release/binding.h"

namespace attestd {
namespace {

// What an unknown name is judged by: the same steps as for one that is not allowed.
const SecretPolicy kNobodys{};

bool names_id(const std::vector<std::string>& ids, const std::string& id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// The release rules: which of the callers' workloads are allowed, or why none is.
Judgement judge_workloads(const Config& policy, const std::vector<std::uint32_t>& callers,
                          std::string_view name) {
    const auto found = policy.secrets.find(name);
    const bool exists = found != policy.secrets.end();
    const SecretPolicy& secret = exists ? found->second : kNobodys;
    Judgement out{Reason::granted, exists ? &secret : nullptr, {}};
    bool denied = false;
    for (const std::uint32_t index : callers) {
        const std::string& id = policy.workloads.at(index).id;
        denied = names_id(secret.deny, id) || denied;
        if (names_id(secret.allow, id)) out.workloads.push_back(index);
    }
    if (out.workloads.empty())
        out.reason = callers.empty() ? Reason::no_workload : Reason::not_allowed;
    if (denied) out.reason = Reason::denied;
    if (!exists) out.reason = Reason::unknown_secret;
    return out;
}

bool holds_claim(const ClaimCondition& condition, const AttestationResult& result) {
    const ClaimView claim = claim_of(result, all_claims()[condition.claim]);
    return std::any_of(condition.one_of.begin(), condition.one_of.end(),
                       [&](const ClaimValue& value) { return equal(claim, value); });
}

const ClaimCondition* first_unmet(const std::vector<ClaimCondition>& set,
                                  const AttestationResult& result) {
    const auto it = std::find_if_not(set.begin(), set.end(), [&](const ClaimCondition& condition) {
        return holds_claim(condition, result);
    });
    return it == set.end() ? nullptr : &*it;
}

// The claim that keeps the set which came farthest from holding; null when one holds.
const ClaimCondition* unmet_claim(const Conditions& require, const AttestationResult& result) {
    const ClaimCondition* nearest = nullptr;
    std::ptrdiff_t farthest = -1;
    for (const auto& set : require.claims) {
        const ClaimCondition* const unmet = first_unmet(set, result);
        if (unmet == nullptr) return nullptr;
        if (unmet - set.data() <= farthest) continue;
        farthest = unmet - set.data();
        nearest = unmet;
    }
    return nearest;
}

bool holds_grade(GradeCondition wanted, Grade grade) noexcept {
    if (wanted == GradeCondition::any) return true;
    return (wanted == GradeCondition::production) == (grade == Grade::production);
}

std::string_view wanted_grade(GradeCondition wanted) noexcept {
    return wanted == GradeCondition::production ? "production" : "test";
}

Millis age_of(const Affirmation& session, BootTime now) {
    return std::chrono::duration_cast<Millis>(now - session.asked);
}

void refuse(Judgement& judgement, Reason reason, std::string detail) {
    judgement.reason = reason;
    judgement.detail = std::move(detail);
}

// What the secret asks of the result, when the release rules and the session have said yes.
void judge_conditions(Judgement& judgement, const Affirmation& session, BootTime now) {
    const Conditions& require = judgement.secret->require;
    const AttestationResult& result = session.result.result();
    if (!holds_grade(require.grade, result.grade())) {
        return refuse(
            judgement, Reason::grade,
            fmt::format("the secret requires a result of {} grade", wanted_grade(require.grade)));
    }
    const auto& kinds = require.verifiers;
    if (!kinds.empty() && std::find(kinds.begin(), kinds.end(), session.verifier) == kinds.end()) {
        return refuse(
            judgement, Reason::verifier,
            fmt::format("the result is of verifier \"{}\", which the secret's \"require\" "
                        "does not name",
                        session.verifier));
    }
    if (require.max_age && now - session.asked >= *require.max_age) {
        return refuse(judgement, Reason::max_age,
                      fmt::format("the evidence is older than {}: a renewal mends that",
                                  to_string(*require.max_age)));
    }
    if (const ClaimCondition* const unmet = unmet_claim(require, result)) {
        const ClaimInfo& claim = all_claims()[unmet->claim];
        return refuse(judgement, Reason::claims,
                      fmt::format("claim {} is {}, which the secret's \"require\" does not name",
                                  claim.name, claim_text(claim, claim_of(result, claim))));
    }
    if (require.max_age)
        judgement.expires = std::min(judgement.expires, session.asked + *require.max_age);
}

std::string value_text(const ClaimInfo& claim, const ClaimValue& value) {
    return std::visit([&](const auto& v) { return claim_text(claim, ClaimView(v)); }, value);
}

std::string wanted_text(const ClaimCondition& condition) {
    const ClaimInfo& claim = all_claims()[condition.claim];
    std::string out;
    for (const ClaimValue& value : condition.one_of)
        out += (out.empty() ? "" : " or ") + value_text(claim, value);
    return out;
}

void add_claim_states(std::vector<ConditionState>& out, const Conditions& require,
                      const AttestationResult* result) {
    for (std::size_t i = 0; i < require.claims.size(); ++i) {
        const std::string at = require.claims.size() == 1 ? "" : fmt::format("[{}]", i);
        for (const ClaimCondition& condition : require.claims[i]) {
            const ClaimInfo& claim = all_claims()[condition.claim];
            out.push_back(
                {fmt::format("claims{}.{}", at, claim.name), wanted_text(condition),
                 result == nullptr ? "no result" : claim_text(claim, claim_of(*result, claim)),
                 result != nullptr && holds_claim(condition, *result)});
        }
    }
}

}  // namespace

std::string_view reason_name(Reason reason) noexcept {
    constexpr std::array<std::string_view, 13> kNames{
        "granted",    "unknown-secret", "no-workload", "not-allowed", "denied",
        "protection", "no-result",      "test-grade",  "binding",     "grade",
        "verifier",   "max-age",        "claims"};
    return kNames.at(static_cast<std::size_t>(reason));
}

Errc errc_of(Reason reason) noexcept {
    if (reason <= Reason::protection) return Errc::secret_unavailable;
    return reason == Reason::binding ? Errc::binding_mismatch : Errc::not_affirming;
}

Result<Permission> permit(const Config& policy, const std::vector<std::uint32_t>& callers,
                          std::string_view name) {
    Judgement judgement = judge_workloads(policy, callers, name);
    if (judgement.reason == Reason::granted)
        return Permission{judgement.secret, std::move(judgement.workloads)};
    // One text for a name that does not exist and one that is not allowed.
    return fail(Errc::secret_unavailable,
                "no workload of this caller may have a secret of that name");
}

// A sealed store is opened on this machine and nowhere else: nothing lies in between. What a key
// broker sends is encrypted to a key of this process, or it is not taken.
Protection protection_of(const Config& policy, const SecretPolicy& secret) noexcept {
    return policy.protection_of(secret.source);
}

ClaimView claim_of(const AttestationResult& result, const ClaimInfo& claim) {
    if (const auto* quote = std::get_if<IntelQuote>(&result.claims()))
        return claim.of_td == nullptr ? ClaimView() : claim.of_td(*quote);
    if (const auto* report = std::get_if<SnpReport>(&result.claims()))
        return claim.of_snp == nullptr ? ClaimView() : claim.of_snp(*report);
    return {};
}

namespace {

// What stands between a caller whom the release rules allow and the secret.
void judge_result(Judgement& out, const Config& policy, const std::optional<Affirmation>& session,
                  BootTime now) {
    const SecretPolicy& secret = *out.secret;
    if (protection_of(policy, secret) < secret.require.min_protection) {
        out.reason = Reason::protection;
        return;
    }
    if (!session || session->expires <= now) {
        return refuse(out, Reason::no_result,
                      "there is no affirming attestation result at this moment");
    }
    const AttestationResult& result = session->result.result();
    if (const auto bound = check_binding(policy, result); !bound)
        return refuse(out, Reason::binding, bound.error().detail);
    if (result.grade() != Grade::production && !secret.test) {
        return refuse(out, Reason::test_grade,
                      "the result is of test grade and the secret is not marked \"test\"");
    }
    out.expires = session->expires;
    judge_conditions(out, *session, now);
}

}  // namespace

Judgement judge(const Config& policy, const std::vector<std::uint32_t>& callers,
                std::string_view name, const std::optional<Affirmation>& session, BootTime now) {
    Judgement out = judge_workloads(policy, callers, name);
    if (out.reason == Reason::granted) judge_result(out, policy, session, now);
    return out;
}

Judgement judge_slot(const Config& policy, std::string_view store,
                     const std::optional<Affirmation>& session, BootTime now) {
    const auto found = policy.slot_secrets.find(store);
    if (found == policy.slot_secrets.end()) return Judgement{Reason::unknown_secret, nullptr, {}};
    Judgement out{Reason::granted, &found->second, {}};
    judge_result(out, policy, session, now);
    return out;
}

namespace {

const TokenGrant* token_of(const Workload& workload, const TokenWish& wish) {
    const auto found =
        std::find_if(workload.tokens.begin(), workload.tokens.end(), [&](const TokenGrant& token) {
            return wish.audience.empty() ? token.policy.source == wish.issuer
                                         : token.audience == wish.audience;
        });
    return found == workload.tokens.end() ? nullptr : &*found;
}

}  // namespace

Judgement judge_token(const Config& policy, const std::vector<std::uint32_t>& callers,
                      const TokenWish& wish, const std::optional<Affirmation>& session,
                      BootTime now) {
    Judgement out{callers.empty() ? Reason::no_workload : Reason::not_allowed, nullptr, {}};
    for (const std::uint32_t index : callers) {
        const Workload& workload = policy.workloads.at(index);
        const TokenGrant* const token = token_of(workload, wish);
        const bool is_better = out.secret == nullptr || (wish.prefers_key && workload.export_key);
        if (token == nullptr || !is_better) continue;
        out = Judgement{Reason::granted, &token->policy, {index}};
        if (workload.export_key || !wish.prefers_key) break;
    }
    if (out.reason == Reason::granted) judge_result(out, policy, session, now);
    return out;
}

std::vector<ConditionState> condition_states(const Config& policy, const SecretPolicy& secret,
                                             const std::optional<Affirmation>& session,
                                             BootTime now) {
    const Conditions& require = secret.require;
    const AttestationResult* const result = session ? &session->result.result() : nullptr;
    const std::string none = "no result";
    std::vector<ConditionState> out;
    if (require.min_protection != Protection::transport) {
        const Protection found = protection_of(policy, secret);
        out.push_back({"min_protection", std::string(protection_name(require.min_protection)),
                       std::string(protection_name(found)), found >= require.min_protection});
    }
    if (policy.config_binding != ConfigBinding::none) {
        const auto bound = result == nullptr ? Result<void>() : check_binding(policy, *result);
        out.push_back({"config_binding", std::string(config_binding_name(policy.config_binding)),
                       result == nullptr ? none
                       : bound           ? "bound"
                                         : bound.error().detail,
                       result != nullptr && bound});
    }
    if (!secret.test || require.grade != GradeCondition::any) {
        const bool wants_test = require.grade == GradeCondition::test;
        const std::string found =
            result == nullptr ? none : std::string(grade_name(result->grade()));
        const std::string wanted = wants_test ? "test" : "production";
        out.push_back({"grade", wanted, found, found == wanted});
    }
    if (!require.verifiers.empty()) {
        const std::string found = session ? std::string(session->verifier) : none;
        const auto& kinds = require.verifiers;
        out.push_back({"verifier", fmt::format("{}", fmt::join(kinds, " or ")), found,
                       names_id(kinds, found)});
    }
    if (require.max_age) {
        out.push_back({"max_age", to_string(*require.max_age),
                       session ? to_string(age_of(*session, now)) : none,
                       session && now - session->asked < *require.max_age});
    }
    add_claim_states(out, require, result);
    return out;
}

}  // namespace attestd
