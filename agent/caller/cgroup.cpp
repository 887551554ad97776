#include "agent/caller/cgroup.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace attestd {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    for (;;) {
        const auto at = text.find(separator);
        out.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return out;
        text.remove_prefix(at + 1);
    }
}

// No two patterns match the same path: the loader sees to that.
std::optional<ContainerPattern::Match> find_container(
    const std::vector<std::string_view>& components, ContainerPatterns configured) {
    for (const ContainerPattern& pattern : known_container_patterns()) {
        if (auto found = pattern.match(components)) return found;
    }
    for (const ContainerPattern& pattern : configured) {
        if (auto found = pattern.match(components)) return found;
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

Result<CgroupIdentity> identity_of(std::string_view path, std::string_view hierarchy,
                                   ContainerPatterns configured) {
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
    if (const auto container = find_container(components, configured)) {
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

Result<CgroupIdentity> parse_cgroup(std::string_view text, ContainerPatterns configured) {
    ATTESTD_TRY(const Paths paths, find_paths(text));
    if (!paths.systemd && !paths.unified)
        return fail(Errc::cgroup_malformed, "malformed: no hierarchy that systemd names");
    // A legacy hierarchy that somebody mounted beside a systemd that uses the unified one leaves
    // every process at its root, where nobody but root can put one.
    const bool is_unused = paths.systemd == "/" && paths.unified && *paths.unified != "/";
    if (!paths.systemd || is_unused) return identity_of(*paths.unified, "unified", configured);
    // A hybrid system: systemd's own hierarchy says who this is; the unified one may be silent, but
    // it must not say something else.
    ATTESTD_TRY(CgroupIdentity out, identity_of(*paths.systemd, "systemd", configured));
    if (!paths.unified || *paths.unified == "/") return out;
    ATTESTD_TRY(const CgroupIdentity other, identity_of(*paths.unified, "unified", configured));
    if (other.unit != out.unit || other.container_id != out.container_id) {
        return fail(Errc::cgroup_malformed,
                    "conflict: the two hierarchies name different units or containers");
    }
    return out;
}

}  // namespace attestd
