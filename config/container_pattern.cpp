#include "config/container_pattern.h"

#include <algorithm>
#include <array>

namespace attestd {
namespace {

constexpr std::string_view kIdPlace = "<id>";
constexpr std::string_view kPodPlace = "<pod>";
constexpr std::size_t kHexIdLen = 64;
constexpr std::size_t kMaxPatternParts = 16;

constexpr std::array<std::string_view, 14> kKnownPatterns{
    "/docker/<id>",
    "/system.slice/docker-<id>.scope",
    "/system.slice/nerdctl-<id>.scope",
    "/system.slice/crio-<id>.scope",
    "/machine.slice/libpod-<id>.scope",
    "/kubepods/pod<pod>/<id>",
    "/kubepods/besteffort/pod<pod>/<id>",
    "/kubepods/burstable/pod<pod>/<id>",
    "/kubepods.slice/kubepods-pod<pod>.slice/cri-containerd-<id>.scope",
    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<pod>.slice/"
    "cri-containerd-<id>.scope",
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<pod>.slice/"
    "cri-containerd-<id>.scope",
    "/kubepods.slice/kubepods-pod<pod>.slice/crio-<id>.scope",
    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<pod>.slice/crio-<id>.scope",
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<pod>.slice/crio-<id>.scope",
};

bool is_hex_digit(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_hex_id(std::string_view text) noexcept {
    return text.size() == kHexIdLen && std::all_of(text.begin(), text.end(), is_hex_digit);
}

bool is_pod_uid_text(std::string_view text) noexcept {
    const auto part = [](char c) { return is_hex_digit(c) || c == '-' || c == '_'; };
    return !text.empty() && text.size() <= kHexIdLen && std::all_of(text.begin(), text.end(), part);
}

tl::unexpected<Error> fail_pattern() {
    return fail(Errc::bad_value,
                "a path from the root whose last component holds \"<id>\" is expected, as "
                "\"/docker/<id>\"; \"*\" stands for a whole component, \"<pod>\" for a pod's uid");
}

bool has_marks(std::string_view text) noexcept {
    return text.find_first_of("<>*") != std::string_view::npos;
}

}  // namespace

Result<ContainerPattern::Part> ContainerPattern::parse_part(std::string_view text) {
    if (text.empty() || text == "." || text == "..") return fail_pattern();
    if (text == "*") return Part{Part::Kind::any, "", ""};
    for (const auto& [place, kind] :
         {std::pair(kIdPlace, Part::Kind::id), std::pair(kPodPlace, Part::Kind::pod)}) {
        const auto at = text.find(place);
        if (at == text.npos) continue;
        const auto before = text.substr(0, at), after = text.substr(at + place.size());
        if (has_marks(before) || has_marks(after)) return fail_pattern();
        return Part{kind, std::string(before), std::string(after)};
    }
    if (has_marks(text)) return fail_pattern();
    return Part{Part::Kind::literal, std::string(text), ""};
}

Result<ContainerPattern> ContainerPattern::parse(std::string_view text) {
    ContainerPattern out;
    out.text_ = text;
    if (!text.starts_with('/')) return fail_pattern();
    while (!text.empty()) {
        text.remove_prefix(1);
        const auto end = std::min(text.find('/'), text.size());
        if (out.parts_.size() == kMaxPatternParts) return fail_pattern();
        ATTESTD_TRY(out.parts_.emplace_back(), parse_part(text.substr(0, end)));
        text.remove_prefix(end);
    }
    const auto is_id = [](const Part& part) { return part.kind == Part::Kind::id; };
    const auto is_pod = [](const Part& part) { return part.kind == Part::Kind::pod; };
    const auto& parts = out.parts_;
    if (std::count_if(parts.begin(), parts.end(), is_id) != 1 || !is_id(parts.back()) ||
        std::count_if(parts.begin(), parts.end(), is_pod) > 1) {
        return fail_pattern();
    }
    return out;
}

// What stands in the place, or the component itself; nothing when they do not fit.
std::optional<std::string_view> ContainerPattern::Part::match(std::string_view component) const {
    if (kind == Kind::any) return component;
    if (kind == Kind::literal) return component == before ? std::optional(component) : std::nullopt;
    if (component.size() < before.size() + after.size()) return std::nullopt;
    if (!component.starts_with(before) || !component.ends_with(after)) return std::nullopt;
    component.remove_prefix(before.size());
    component.remove_suffix(after.size());
    const bool good = kind == Kind::id ? is_hex_id(component) : is_pod_uid_text(component);
    return good ? std::optional(component) : std::nullopt;
}

bool ContainerPattern::Part::may_overlap(const Part& other) const {
    if (kind == Kind::any || other.kind == Kind::any) return true;
    if (kind == Kind::literal) return other.match(before).has_value();
    if (other.kind == Kind::literal) return match(other.before).has_value();
    const auto begins = [](std::string_view a, std::string_view b) {
        return a.starts_with(b) || b.starts_with(a);
    };
    const auto ends = [](std::string_view a, std::string_view b) {
        return a.ends_with(b) || b.ends_with(a);
    };
    return begins(before, other.before) && ends(after, other.after);
}

std::optional<ContainerPattern::Match> ContainerPattern::match(
    const std::vector<std::string_view>& path) const {
    if (parts_.size() > path.size()) return std::nullopt;
    Match out;
    out.depth = parts_.size();
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const auto found = parts_[i].match(path[i]);
        if (!found) return std::nullopt;
        if (parts_[i].kind == Part::Kind::id) out.id = *found;
        if (parts_[i].kind == Part::Kind::pod) out.pod_uid = *found;
    }
    // systemd's names cannot hold a dash of their own: the runtime writes '_' for it.
    std::replace(out.pod_uid.begin(), out.pod_uid.end(), '_', '-');
    return out;
}

bool ContainerPattern::may_overlap(const ContainerPattern& other) const {
    const std::size_t n = std::min(parts_.size(), other.parts_.size());
    for (std::size_t i = 0; i < n; ++i) {
        if (!parts_[i].may_overlap(other.parts_[i])) return false;
    }
    return true;
}

const std::vector<ContainerPattern>& known_container_patterns() {
    static const std::vector<ContainerPattern> known = [] {
        std::vector<ContainerPattern> out;
        for (const std::string_view text : kKnownPatterns)
            out.push_back(ContainerPattern::parse(text).value());
        return out;
    }();
    return known;
}

}  // namespace attestd
