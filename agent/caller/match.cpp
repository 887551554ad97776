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
bool matches_plainly(const MatchItem& item, const Caller& caller) {
    const auto& cgroup = caller.cgroup;
    const auto has_group = [&](gid_t gid) {
        return std::find(caller.groups.begin(), caller.groups.end(), gid) != caller.groups.end();
    };
    const auto in_slice = [&](const std::string& slice) {
        return std::find(cgroup.slices.begin(), cgroup.slices.end(), slice) != cgroup.slices.end();
    };
    // Of systemd's process only its cgroup is the unit's.
    const bool is_of_process = item.uid || item.gid || item.group_id || item.selinux ||
                               item.apparmor || item.needs_inspection();
    if (caller.for_unit && is_of_process) return false;
    if (!caller.tcp_address.empty() && !item.is_socket_alone()) return false;
    return holds(item.uid, caller.peer.uid) && holds(item.gid, caller.peer.gid) &&
           (!item.group_id || has_group(*item.group_id)) &&
           (!item.unit || item.unit->matches(cgroup.unit)) &&
           (!item.slice || in_slice(*item.slice)) &&
           holds(item.container_id, cgroup.container_id) && holds(item.pod_uid, cgroup.pod_uid) &&
           holds(item.selinux, caller.label) &&
           (!item.apparmor || is_profile(caller.label, *item.apparmor)) &&
           holds(item.socket, caller.socket);
}

// Facts that nobody has asked for, or that could not be had, hold for no rule.
bool matches_inspected(const MatchItem& item, const std::optional<InspectedProcess>& process) {
    if (!item.needs_inspection()) return true;
    if (!process) return false;
    const inspect::Facts& facts = process->facts;
    const bool has_name = facts.exe.num_links != 0;
    return (!item.exe_sha256 ||
            (facts.sha256 == item.exe_sha256 && (has_name || item.allow_unlinked))) &&
           (!item.exe_verity || (facts.verity == item.exe_verity && has_name)) &&
           holds(item.exe_path, facts.path) && (!item.init_pidns || process->in_init_pidns) &&
           (!item.init_userns || process->in_init_userns);
}

bool matches_item(const MatchItem& item, const Caller& caller) {
    return matches_plainly(item, caller) && matches_inspected(item, caller.inspected);
}

bool is_refused_as_root(const Workload& workload, const Caller& caller) {
    return caller.peer.uid == 0 && !workload.allow_root && !caller.for_unit;
}

}  // namespace

bool matches(const Workload& workload, const Caller& caller) {
    if (is_refused_as_root(workload, caller)) return false;
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

std::optional<inspect::Wanted> wanted_of(const Config& config, const Caller& caller) {
    std::optional<inspect::Wanted> out;
    for (const Workload& workload : config.workloads) {
        if (is_refused_as_root(workload, caller)) continue;
        for (const MatchItem& item : workload.match) {
            if (!item.needs_inspection() || !matches_plainly(item, caller)) continue;
            if (!out) out.emplace();
            out->sha256 |= item.exe_sha256.has_value();
            out->verity |= item.exe_verity.has_value();
            out->path |= item.exe_path.has_value();
            out->unlinked |= item.allow_unlinked;
        }
    }
    return out;
}

}  // namespace attestd
