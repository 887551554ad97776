#include "agent/kbs/ear.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "agent/log.h"

namespace attestd::kbs {
namespace {

constexpr std::size_t kMaxEarVectorLen = 400;  // of what is logged
constexpr std::size_t kMaxShownPolicy = 64;

// From best to worst (draft-ietf-rats-ar4si section 2.3.2: "none" is no verdict at all), and the
// numbers that may stand for them.
constexpr std::array<std::string_view, 4> kEarStatuses{"affirming", "warning", "none",
                                                       "contraindicated"};
constexpr std::array<std::int64_t, 4> kEarNumbers{2, 32, 0, 96};
constexpr std::size_t kWarningRank = 1, kContraindicatedRank = 3;

tl::unexpected<Error> no_claim(const Error& inner) {
    return fail(Errc::token_malformed, inner.detail);
}

template <class T>
Result<T> ear_claim(Result<T> result) {
    if (!result) return no_claim(result.error());
    return result;
}

std::size_t ear_rank(std::string_view status) noexcept {
    const auto* const found = std::find(kEarStatuses.begin(), kEarStatuses.end(), status);
    return static_cast<std::size_t>(found - kEarStatuses.begin());  // unknown: worse than all
}

Result<std::string> ear_status(const JsonValue& value) {
    if (value.is_text()) return value.text();
    ATTESTD_TRY(const std::int64_t number, ear_claim(value.integer(-128, 127)));
    const auto* const found = std::find(kEarNumbers.begin(), kEarNumbers.end(), number);
    if (found == kEarNumbers.end()) return fmt::format("{}", number);
    return std::string(kEarStatuses.at(static_cast<std::size_t>(found - kEarNumbers.begin())));
}

// The tier of a value; those that claim nothing worsen nothing.
std::size_t vector_rank(std::int64_t value) noexcept {
    if (value >= 96 || value <= -97) return kContraindicatedRank;
    if (value >= 32 || value <= -33) return kWarningRank;
    return 0;
}

// The vector's worst tier; `out` gets its text.
std::size_t read_vector(std::string& out, const std::string& name, JsonObject& submod) {
    const auto value = submod.optional("ear.trustworthiness-vector");
    auto members = value ? value->object() : Result<JsonObject>(fail(Errc::missing_key, ""));
    if (!members) return 0;
    std::size_t worst = 0;
    for (const auto& [claim, tier] : members->rest()) {
        const auto number = tier.integer(-128, 127);
        worst = std::max(worst, number ? vector_rank(*number) : kContraindicatedRank);
        if (!number || out.size() > kMaxEarVectorLen) continue;
        out += fmt::format("{}{}.{}={}", out.empty() ? "" : " ", escaped(name, 32),
                           escaped(claim, 32), *number);
    }
    return worst;
}

}  // namespace

Result<EarStanding> ear_standing_of(const JsonValue& submods) {
    ATTESTD_TRY(JsonObject all, ear_claim(submods.object()));
    EarStanding out;
    std::optional<std::size_t> worst;
    for (const auto& [name, value] : all.rest()) {
        ATTESTD_TRY(JsonObject submod, ear_claim(value.object()));
        ATTESTD_TRY(const JsonValue status_value, ear_claim(submod.required("ear.status")));
        ATTESTD_TRY(std::string status, ear_status(status_value));
        const std::size_t by_vector = read_vector(out.vector, name, submod);
        if (by_vector > ear_rank(status)) status = kEarStatuses.at(by_vector);
        const auto policy = submod.optional("ear.appraisal-policy-id");
        out.policies.push_back(policy ? policy->text().value_or("") : std::string());
        if (worst && ear_rank(status) <= *worst) continue;
        worst = ear_rank(status);
        out.worst = std::move(status);
        out.where = name;
    }
    if (out.policies.empty())
        return submods.fail_here(Errc::token_malformed, "no submodule is appraised");
    return out;
}

Result<void> check_ear(const EarStanding& standing, bool accept_warning,
                       const std::vector<std::string>& policies) {
    if (ear_rank(standing.worst) > (accept_warning ? kWarningRank : 0)) {
        return fail(Errc::token_not_affirming,
                    fmt::format("ear.status of {} is \"{}\" ({})", escaped(standing.where, 32),
                                escaped(standing.worst, 32), standing.vector));
    }
    if (policies.empty()) return {};
    for (const std::string& applied : standing.policies) {
        if (std::find(policies.begin(), policies.end(), applied) == policies.end()) {
            return fail(Errc::token_not_affirming,
                        fmt::format("ear.appraisal-policy-id is \"{}\", which is not configured",
                                    escaped(applied, kMaxShownPolicy)));
        }
    }
    return {};
}

}  // namespace attestd::kbs
