#include "agent/release/difference.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace attestd {
namespace {

using nlohmann::ordered_json;

// One configuration's word on one caller.
struct Outlook {
    std::vector<std::string> workloads;
    std::set<std::string> secrets;
};

Outlook standing_of(const Config& policy, const Caller& caller,
                    const std::optional<Affirmation>& session, BootTime at) {
    Outlook out;
    const auto indices = match_workloads(policy, caller);
    for (const std::uint32_t index : indices) out.workloads.push_back(policy.workloads[index].id);
    for (const auto& [name, secret] : policy.secrets) {
        const Reason reason = judge(policy, indices, name, session, at).reason;
        const bool is_only_waiting = !session && reason == Reason::no_result;
        if (reason == Reason::granted || is_only_waiting) out.secrets.insert(name);
    }
    return out;
}

std::vector<std::string> missing_in(const std::set<std::string>& from,
                                    const std::set<std::string>& other) {
    std::vector<std::string> out;
    std::set_difference(from.begin(), from.end(), other.begin(), other.end(),
                        std::back_inserter(out));
    return out;
}

bool is_same(const ClaimCondition& a, const ClaimCondition& b) {
    return a.claim == b.claim && a.one_of == b.one_of;
}

bool is_same(const Conditions& a, const Conditions& b) {
    const auto same_set = [](const auto& x, const auto& y) {
        return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                          [](const auto& p, const auto& q) { return is_same(p, q); });
    };
    return a.verifiers == b.verifiers && a.max_age == b.max_age && a.grade == b.grade &&
           a.min_protection == b.min_protection &&
           std::equal(a.claims.begin(), a.claims.end(), b.claims.begin(), b.claims.end(), same_set);
}

bool is_same(const SecretPolicy& a, const SecretPolicy& b) {
    return a.source == b.source && a.resource == b.resource && a.allow == b.allow &&
           a.deny == b.deny && a.test == b.test && is_same(a.require, b.require);
}

ordered_json secrets_difference(const Config& now, const Config& candidate) {
    ordered_json out;
    for (const char* list : {"added", "removed", "changed"}) out[list] = ordered_json::array();
    for (const auto& [name, secret] : candidate.secrets) {
        const auto before = now.secrets.find(name);
        if (before == now.secrets.end())
            out["added"].push_back(name);
        else if (!is_same(before->second, secret))
            out["changed"].push_back(name);
    }
    for (const auto& [name, secret] : now.secrets) {
        if (!candidate.secrets.contains(name)) out["removed"].push_back(name);
    }
    return out;
}

}  // namespace

ordered_json difference(const Config& now, const Config& candidate,
                        const std::vector<const Caller*>& callers,
                        const std::optional<Affirmation>& session, BootTime at) {
    ordered_json out;
    out["secrets"] = secrets_difference(now, candidate);
    out["callers"] = ordered_json::array();
    for (const Caller* const caller : callers) {
        const Outlook before = standing_of(now, *caller, session, at);
        const Outlook after = standing_of(candidate, *caller, session, at);
        if (before.workloads == after.workloads && before.secrets == after.secrets) continue;
        ordered_json one;
        one["pid"] = caller->peer.pid;
        one["uid"] = caller->peer.uid;
        one["listener"] = caller->socket;
        one["unit"] = caller->cgroup.unit;
        one["workloads"] = {{"before", before.workloads}, {"after", after.workloads}};
        one["gains"] = missing_in(after.secrets, before.secrets);
        one["loses"] = missing_in(before.secrets, after.secrets);
        out["callers"].push_back(std::move(one));
    }
    return out;
}

}  // namespace attestd
