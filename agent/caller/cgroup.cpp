#include "agent/caller/cgroup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace attestd {
namespace {

constexpr std::string_view kIdPlace = "<id>";
constexpr std::string_view kPodPlace = "<pod>";
constexpr std::size_t kContainerIdLen = 64;

// What the known runtimes call a container's folder, anchored at the root and matched by whole
// components; "*" stands for one of them. Deeper components are inside the container. No path can
// match two of them: they differ in a literal part at some place.
constexpr std::array<std::string_view, 14> kContainerPatterns{
    "docker/<id>",
    "system.slice/docker-<id>.scope",
    "system.slice/nerdctl-<id>.scope",
    "system.slice/crio-<id>.scope",
    "machine.slice/libpod-<id>.scope",
    "kubepods/pod<pod>/<id>",
    "kubepods/besteffort/pod<pod>/<id>",
    "kubepods/burstable/pod<pod>/<id>",
    "kubepods.slice/kubepods-pod<pod>.slice/cri-containerd-<id>.scope",
    "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<pod>.slice/"
    "cri-containerd-<id>.scope",
    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<pod>.slice/"
    "cri-containerd-<id>.scope",
    "kubepods.slice/kubepods-pod<pod>.slice/crio-<id>.scope",
    "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<pod>.slice/crio-<id>.scope",
    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<pod>.slice/crio-<id>.scope",
};

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    for (;;) {
        const auto at = text.find(separator);
        out.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return out;
        text.remove_prefix(at + 1);
    }
}

bool is_container_id(std::string_view text) noexcept {
    const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return text.size() == kContainerIdLen && std::all_of(text.begin(), text.end(), hex);
}

bool is_pod_uid(std::string_view text) noexcept {
    const auto part = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-' || c == '_';
    };
    return !text.empty() && text.size() <= kContainerIdLen &&
           std::all_of(text.begin(), text.end(), part);
}

// What stands at `place` in `pattern`, when the rest of `component` is as the pattern says.
std::optional<std::string_view> at_place(std::string_view component, std::string_view pattern,
                                         std::string_view place) {
    const auto at = pattern.find(place);
    const std::string_view before = pattern.substr(0, at);
    const std::string_view after = pattern.substr(at + place.size());
    if (component.size() < before.size() + after.size()) return std::nullopt;
    if (!component.starts_with(before) || !component.ends_with(after)) return std::nullopt;
    component.remove_prefix(before.size());
    component.remove_suffix(after.size());
    return component;
}

struct Container {
    std::string id, pod_uid;
    std::size_t depth = 0;  // components down to its own
};

bool match_component(std::string_view component, std::string_view pattern, Container& out) {
    if (pattern.find(kIdPlace) != std::string_view::npos) {
        const auto id = at_place(component, pattern, kIdPlace);
        if (!id || !is_container_id(*id)) return false;
        out.id = *id;
        return true;
    }
    if (pattern.find(kPodPlace) != std::string_view::npos) {
        const auto uid = at_place(component, pattern, kPodPlace);
        if (!uid || !is_pod_uid(*uid)) return false;
        out.pod_uid = *uid;
        // systemd's names cannot hold a dash of their own: the runtime writes '_' for it.
        std::replace(out.pod_uid.begin(), out.pod_uid.end(), '_', '-');
        return true;
    }
    return component == pattern;
}

std::optional<Container> find_container(const std::vector<std::string_view>& components) {
    for (const std::string_view pattern : kContainerPatterns) {
        const auto parts = split(pattern, '/');
        if (parts.size() > components.size()) continue;
        Container found;
        found.depth = parts.size();
        const bool all = std::equal(parts.begin(), parts.end(), components.begin(),
                                    [&](std::string_view part, std::string_view component) {
                                        return match_component(component, part, found);
                                    });
        if (all) return found;
    }
    return std::nullopt;
}

bool is_unit(std::string_view component) noexcept {
    return component.ends_with(".service") || component.ends_with(".scope") ||
           component.ends_with(".socket") || component.ends_with(".mount");
}

// systemd puts '_' before the name of a unit whose folder would look like one of cgroupfs' own
// files.
std::string_view unescaped_unit(std::string_view component) noexcept {
    return component.starts_with('_') ? component.substr(1) : component;
}

Result<std::vector<std::string_view>> components_of(std::string_view path) {
    if (path.starts_with("/..")) {
        return fail(Errc::cgroup_foreign,
                    "cgroupns: the path leads out of attestd's cgroup namespace");
    }
    if (path.ends_with(" (deleted)")) {
        return fail(Errc::cgroup_malformed, "deleted: the cgroup is gone");
    }
    if (!path.starts_with('/'))
        return fail(Errc::cgroup_malformed, "malformed: the path does not begin at the root");
    std::vector<std::string_view> out;
    if (path.size() == 1) return out;
    out = split(path.substr(1), '/');
    const auto odd = [](std::string_view c) { return c.empty() || c == "." || c == ".."; };
    if (std::any_of(out.begin(), out.end(), odd)) {
        return fail(Errc::cgroup_malformed,
                    "malformed: an empty, \".\" or \"..\" part in the path");
    }
    return out;
}

// "/a", "/a/b", ... for the first `depth` components.
std::vector<std::string> folders(const std::vector<std::string_view>& components,
                                 std::size_t depth) {
    std::vector<std::string> out;
    std::string path;
    for (std::size_t i = 0; i < depth; ++i) {
        path += '/';
        path += components[i];
        out.push_back(path);
    }
    return out;
}

Result<CgroupIdentity> identity_of(std::string_view path, std::string_view hierarchy) {
    ATTESTD_TRY(const auto components, components_of(path));
    CgroupIdentity out;
    out.hierarchy = hierarchy;
    const auto not_slice = [](std::string_view c) { return !c.ends_with(".slice"); };
    const auto first = std::find_if(components.begin(), components.end(), not_slice);
    out.slices.assign(components.begin(), first);
    // Only below slices alone does systemd itself make units: another manager's folder (a
    // container's, say) may hold a whole second systemd with units of the same names.
    if (first != components.end() && is_unit(*first)) out.unit = unescaped_unit(*first);

    auto named = std::find_if(components.begin(), components.end(), is_unit);
    if (const auto container = find_container(components)) {
        out.container_id = container->id;
        out.pod_uid = container->pod_uid;
        named = components.begin() + static_cast<std::ptrdiff_t>(container->depth - 1);
    }
    if (named == components.end()) return out;
    auto depth = static_cast<std::size_t>(named - components.begin());
    // A unit's or container's own folder may be delegated to its user without harm to its name. In
    // the legacy hierarchy, though, whoever owns it can move processes of other units into it.
    if (hierarchy == "systemd") ++depth;
    out.trusted_dirs = folders(components, depth);
    return out;
}

struct Paths {
    std::optional<std::string_view> unified, systemd;
};

Result<Paths> find_paths(std::string_view text) {
    Paths out;
    if (!text.ends_with('\n')) return fail(Errc::cgroup_malformed, "malformed: empty or cut off");
    text.remove_suffix(1);
    for (const std::string_view line : split(text, '\n')) {
        const auto first = line.find(':');
        const auto second = first == line.npos ? line.npos : line.find(':', first + 1);
        if (second == line.npos)
            return fail(Errc::cgroup_malformed, "malformed: a line without two colons");
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        auto& place = controllers.empty() && line.starts_with("0:") ? out.unified : out.systemd;
        if (&place == &out.systemd && controllers != "name=systemd") continue;
        if (place) return fail(Errc::cgroup_malformed, "malformed: a hierarchy stands there twice");
        place = line.substr(second + 1);
    }
    return out;
}

}  // namespace

Result<CgroupIdentity> parse_cgroup(std::string_view text) {
    ATTESTD_TRY(const Paths paths, find_paths(text));
    if (!paths.systemd) {
        if (!paths.unified)
            return fail(Errc::cgroup_malformed, "malformed: no hierarchy that systemd names");
        return identity_of(*paths.unified, "unified");
    }
    // A hybrid system: systemd's own hierarchy says who this is; the unified one may be silent, but
    // it must not say something else.
    ATTESTD_TRY(CgroupIdentity out, identity_of(*paths.systemd, "systemd"));
    if (!paths.unified || *paths.unified == "/") return out;
    ATTESTD_TRY(const CgroupIdentity other, identity_of(*paths.unified, "unified"));
    if (other.unit != out.unit || other.container_id != out.container_id) {
        return fail(Errc::cgroup_malformed,
                    "conflict: the two hierarchies name different units or containers");
    }
    return out;
}

}  // namespace attestd
