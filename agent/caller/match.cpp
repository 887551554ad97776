// Which workloads a caller is: plain comparisons of kernel facts with rules.
#include <algorithm>

#include "agent/caller/caller.h"

namespace attestd {
namespace {

template <class T, class U>
bool holds(const std::optional<T>& wanted, const U& fact) {
    return !wanted || *wanted == fact;
}

// AppArmor's label is the profile's name and its mode; a profile that only complains confines
// nothing.
bool is_profile(std::string_view label, const std::string& profile) {
    return label == profile + " (enforce)";
}

// An absent fact is empty, and no rule wants an empty text.
bool matches_item(const MatchItem& item, const Caller& caller) {
    const auto& cgroup = caller.cgroup;
    const auto has_group = [&](gid_t gid) {
        return std::find(caller.groups.begin(), caller.groups.end(), gid) != caller.groups.end();
    };
    const auto in_slice = [&](const std::string& slice) {
        return std::find(cgroup.slices.begin(), cgroup.slices.end(), slice) != cgroup.slices.end();
    };
    if (item.needs_inspection()) return false;  // nobody has asked attestd-inspect
    return holds(item.uid, caller.peer.uid) && holds(item.gid, caller.peer.gid) &&
           (!item.group_id || has_group(*item.group_id)) &&
           (!item.unit || item.unit->matches(cgroup.unit)) &&
           (!item.slice || in_slice(*item.slice)) &&
           holds(item.container_id, cgroup.container_id) && holds(item.pod_uid, cgroup.pod_uid) &&
           holds(item.selinux, caller.label) &&
           (!item.apparmor || is_profile(caller.label, *item.apparmor)) &&
           holds(item.socket, caller.socket);
}

}  // namespace

bool matches(const Workload& workload, const Caller& caller) {
    if (caller.peer.uid == 0 && !workload.allow_root) return false;
    return std::any_of(workload.match.begin(), workload.match.end(),
                       [&](const MatchItem& item) { return matches_item(item, caller); });
}

std::vector<std::uint32_t> match_workloads(const Config& config, const Caller& caller) {
    std::vector<std::uint32_t> out;
    for (std::uint32_t i = 0; i < config.workloads.size(); ++i) {
        if (matches(config.workloads[i], caller)) out.push_back(i);
    }
    return out;
}

}  // namespace attestd
