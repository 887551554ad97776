#include "agent/release/explain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace attestd {
namespace {

using nlohmann::ordered_json;

class Selectors {
 public:
    template <class T>
    void add(std::string_view selector, const std::optional<T>& wanted, const T& found) {
        if (wanted)
            put(selector, fmt::format("{}", *wanted), fmt::format("{}", found), *wanted == found);
    }
    void put(std::string_view selector, std::string wanted, std::string found, bool holds) {
        if (found.empty()) found = "none";
        out_.push_back({std::string(selector), std::move(wanted), std::move(found), holds});
    }
    [[nodiscard]] std::vector<SelectorState> take() { return std::move(out_); }

 private:
    std::vector<SelectorState> out_;
};

std::string pattern_text(const UnitPattern& unit) {
    return unit.any_instance ? unit.name + "*" + unit.suffix : unit.name;
}

template <class List, class T>
bool is_in(const List& list, const T& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
}

bool matches_rule(const MatchItem& rule, const Caller& caller) {
    return matches(Workload{"", {rule}, /*allow_root=*/true, /*raw_evidence=*/false}, caller);
}

ordered_json states_json(const std::vector<SelectorState>& states) {
    ordered_json out = ordered_json::array();
    for (const SelectorState& state : states) {
        out.push_back({{"selector", state.selector},
                       {"wanted", state.wanted},
                       {"found", state.found},
                       {"holds", state.holds}});
    }
    return out;
}

// A rule of a workload that the secret allows, and how far the caller is from it.
struct Nearest {
    const Workload* workload = nullptr;
    std::size_t rule = 0;
    std::size_t num_failed = std::numeric_limits<std::size_t>::max();
    std::vector<SelectorState> states;
};

// The selectors, and root's own condition, which no rule names.
std::vector<SelectorState> rule_states(const Workload& workload, const MatchItem& rule,
                                       const Caller& caller) {
    auto states = selector_states(rule, caller);
    if (caller.peer.uid == 0 && !workload.allow_root)
        states.push_back({"allow_root", "true, for uid 0", "false", false});
    return states;
}

std::size_t num_failed(const std::vector<SelectorState>& states) {
    const auto n = std::count_if(states.begin(), states.end(),
                                 [](const SelectorState& state) { return !state.holds; });
    return static_cast<std::size_t>(n);
}

ordered_json workload_json(const Workload& workload, const SecretPolicy& secret,
                           const Caller& caller, Nearest& nearest) {
    const bool allowed = is_in(secret.allow, workload.id);
    ordered_json out;
    out["id"] = workload.id;
    out["allowed"] = allowed;
    out["denied"] = is_in(secret.deny, workload.id);
    out["matches"] = matches(workload, caller);
    out["rules"] = ordered_json::array();
    for (std::size_t i = 0; i < workload.match.size(); ++i) {
        auto states = rule_states(workload, workload.match[i], caller);
        const std::size_t failed = num_failed(states);
        ordered_json rule;
        rule["rule"] = i;
        rule["matches"] = failed == 0;
        rule["selectors"] = states_json(states);
        out["rules"].push_back(std::move(rule));
        if (allowed && failed < nearest.num_failed)
            nearest = {&workload, i, failed, std::move(states)};
    }
    return out;
}

ordered_json nearest_json(const Nearest& nearest) {
    if (nearest.workload == nullptr) return nullptr;
    ordered_json out;
    out["workload"] = nearest.workload->id;
    out["rule"] = nearest.rule;
    out["matches"] = nearest.num_failed == 0;
    out["failed"] = ordered_json::array();
    for (const SelectorState& state : nearest.states) {
        if (state.holds) continue;
        out["failed"].push_back(
            {{"selector", state.selector}, {"wanted", state.wanted}, {"found", state.found}});
    }
    return out;
}

ordered_json caller_json(const Caller& caller) {
    ordered_json out;
    out["pid"] = caller.peer.pid;
    out["uid"] = caller.peer.uid;
    out["gid"] = caller.peer.gid;
    out["groups"] = caller.groups;
    out["unit"] = caller.cgroup.unit;
    out["slices"] = caller.cgroup.slices;
    out["container_id"] = caller.cgroup.container_id;
    out["pod_uid"] = caller.cgroup.pod_uid;
    out["label"] = caller.label;
    out["listener"] = caller.socket;
    return out;
}

ordered_json conditions_json(const Config& policy, const SecretPolicy& secret,
                             const std::optional<Affirmation>& session, BootTime now) {
    ordered_json out = ordered_json::array();
    for (const ConditionState& state : condition_states(policy, secret, session, now)) {
        out.push_back({{"condition", state.condition},
                       {"wanted", state.wanted},
                       {"found", state.found},
                       {"holds", state.holds}});
    }
    return out;
}

std::string reason_text(Reason reason, const Judgement& judgement) {
    switch (reason) {
        case Reason::granted:
            return "a rule matches and every condition holds";
        case Reason::unknown_secret:
            return "the configuration names no secret of that name";
        case Reason::no_workload:
            return "no rule of any workload matches the caller";
        case Reason::not_allowed:
            return "the caller's workloads are not among those that \"allow\" names";
        case Reason::denied:
            return "\"deny\" names a workload that the caller is; deny wins";
        case Reason::protection:
            return "the source protects it less than \"min_protection\" asks";
        default:
            return judgement.detail;
    }
}

}  // namespace

std::vector<SelectorState> selector_states(const MatchItem& rule, const Caller& caller) {
    Selectors out;
    const CgroupIdentity& cgroup = caller.cgroup;
    out.add("uid", rule.uid, caller.peer.uid);
    out.add("gid", rule.gid, caller.peer.gid);
    if (rule.group_id) {
        out.put("group_id", fmt::format("{}", *rule.group_id),
                fmt::format("{}", fmt::join(caller.groups, " ")),
                is_in(caller.groups, *rule.group_id));
    }
    if (rule.unit)
        out.put("unit", pattern_text(*rule.unit), cgroup.unit, rule.unit->matches(cgroup.unit));
    if (rule.slice) {
        out.put("slice", *rule.slice, fmt::format("{}", fmt::join(cgroup.slices, " ")),
                is_in(cgroup.slices, *rule.slice));
    }
    out.add("container_id", rule.container_id, cgroup.container_id);
    out.add("pod_uid", rule.pod_uid, cgroup.pod_uid);
    out.add("selinux", rule.selinux, caller.label);
    if (rule.apparmor)
        out.put("apparmor", *rule.apparmor, caller.label,
                caller.label == *rule.apparmor + " (enforce)");
    out.add("socket", rule.socket, caller.socket);
    auto states = out.take();
    // What is compared beyond this list, the executable's facts among it: better a vague no than a
    // wrong yes.
    if (num_failed(states) == 0 && !matches_rule(rule, caller)) {
        states.push_back({rule.needs_inspection() ? "inspection" : "other",
                          "what attestd-inspect has to confirm", "not confirmed", false});
    }
    return states;
}

ordered_json explain(const Config& policy, const Caller& caller, std::string_view name,
                     const std::optional<Affirmation>& session, BootTime now) {
    const Judgement judgement = judge(policy, match_workloads(policy, caller), name, session, now);
    ordered_json out;
    out["granted"] = judgement.reason == Reason::granted;
    out["reason"] = reason_name(judgement.reason);
    out["detail"] = reason_text(judgement.reason, judgement);
    out["secret"] = name;
    out["caller"] = caller_json(caller);
    out["workloads"] = ordered_json::array();
    if (judgement.secret == nullptr) return out;
    const SecretPolicy& secret = *judgement.secret;
    Nearest nearest;
    for (const Workload& workload : policy.workloads) {
        if (is_in(secret.allow, workload.id) || is_in(secret.deny, workload.id))
            out["workloads"].push_back(workload_json(workload, secret, caller, nearest));
    }
    out["nearest"] = nearest_json(nearest);
    out["conditions"] = conditions_json(policy, secret, session, now);
    return out;
}

}  // namespace attestd
