// Who is who: the rules by which a caller is a workload (spec/workload-identity.md section 7).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/internal/load_context.h"
#include "config/secret_name.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxMatchItems = 64;
constexpr std::size_t kMaxTextLen = 255;
constexpr std::int64_t kMaxUid = 0xfffffffe;  // the last one means "none" to the kernel

// Facts about the executable, which any process of the same uid can arrange: conditions, never
// identity.
constexpr std::array<std::string_view, 4> kExecutableKeys{"exe_sha256", "exe_verity", "exe_path",
                                                          "on_verity_root"};
constexpr std::array<std::string_view, 2> kNamespaceKeys{"pidns", "userns"};
constexpr std::array<std::string_view, 2> kRuntimeKeys{"container_image", "container_label"};

Result<std::optional<std::uint32_t>> id_number(JsonObject& item, std::string_view key) {
    const auto value = item.optional(key);
    if (!value) return std::nullopt;
    ATTESTD_TRY(const std::int64_t number, value->integer(0, kMaxUid));
    return static_cast<std::uint32_t>(number);
}

Result<std::string> parse_plain(const std::string& text) {
    const auto plain = [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != '*'; };
    if (!text.empty() && text.size() <= kMaxTextLen &&
        std::all_of(text.begin(), text.end(), plain)) {
        return text;
    }
    return fail(Errc::bad_value,
                "1 to 255 printable characters without blank, '/' and '*' are expected");
}

Result<std::string> parse_slice(const std::string& text) {
    ATTESTD_TRY(std::string plain, parse_plain(text));
    if (plain.ends_with(".slice")) return plain;
    return fail(Errc::bad_value, "a slice such as \"tenant-a.slice\" is expected");
}

Result<std::string> parse_container_id(const std::string& text) {
    const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (text.size() == 64 && std::all_of(text.begin(), text.end(), hex)) return text;
    return fail(Errc::bad_value, "64 lower-case hexadecimal digits are expected");
}

Result<std::string> parse_label(const std::string& text) {
    const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
    if (!text.empty() && text.size() <= kMaxTextLen &&
        std::all_of(text.begin(), text.end(), printable)) {
        return text;
    }
    return fail(Errc::bad_value, "a security label of 1 to 255 printable characters is expected");
}

bool is_unit_name(std::string_view name) noexcept {
    return name.ends_with(".service") || name.ends_with(".scope") || name.ends_with(".socket") ||
           name.ends_with(".mount");
}

// The one wildcard that there is: the instance of a template, "web@*.service".
Result<UnitPattern> parse_unit(const std::string& text) {
    constexpr std::string_view kAnyInstance = "@*.";
    const auto star = text.find(kAnyInstance);
    std::string plain = text;
    if (star != std::string::npos && star > 0) plain.replace(star, kAnyInstance.size(), "@x.");
    if (!parse_plain(plain) || !is_unit_name(plain)) {
        return fail(Errc::bad_value,
                    "a unit such as \"web.service\" or \"web@*.service\" is expected; '*' "
                    "stands for the instance of a template and nothing else");
    }
    if (plain == text) return UnitPattern{text, "", /*any_instance=*/false};
    return UnitPattern{text.substr(0, star + 1), text.substr(star + 2), /*any_instance=*/true};
}

template <class Member, class F>
Result<void> take(JsonObject& item, std::string_view key, Member& member, F&& parse) {
    const auto value = item.optional(key);
    if (!value) return {};
    ATTESTD_TRY(member, parse_text(*value, std::forward<F>(parse)));
    return {};
}

bool identifies(const MatchItem& item) noexcept {
    return item.uid || item.gid || item.group_id || item.unit || item.slice || item.container_id ||
           item.pod_uid || item.selinux || item.apparmor || item.socket;
}

template <class Keys>
std::optional<JsonValue> first_of(JsonObject& item, const Keys& keys) {
    std::optional<JsonValue> found;
    for (const std::string_view key : keys) {
        auto value = item.optional(key);
        if (value && !found) found = std::move(value);
    }
    return found;
}

// Rules that name facts which this installation cannot learn are refused, not skipped: a condition
// left out would let more callers in.
Result<void> refuse_unavailable(JsonObject& in, const MatchItem& item) {
    const auto executable = first_of(in, kExecutableKeys);
    const auto ns = first_of(in, kNamespaceKeys);
    const auto runtime = first_of(in, kRuntimeKeys);
    if (executable && !identifies(item)) {
        return executable->fail_here(
            Errc::bad_config,
            "an executable alone identifies nobody: any process of the same user "
            "can run it; add a uid, unit or container");
    }
    if (executable || ns) {
        return (executable ? executable : ns)
            ->fail_here(Errc::bad_config, "needs attestd-inspect, which is not installed");
    }
    if (runtime) {
        return runtime->fail_here(Errc::bad_config,
                                  "needs the container runtime's API, which is not "
                                  "supported by this build; use container_id or unit");
    }
    return {};
}

Result<void> load_numbers(JsonObject& in, LoadContext& context, MatchItem& out) {
    ATTESTD_TRY(out.uid, id_number(in, "uid"));
    ATTESTD_TRY(out.gid, id_number(in, "gid"));
    ATTESTD_TRY(out.group_id, id_number(in, "group_id"));
    const auto user = in.optional("user");
    const auto group = in.optional("group");
    if (user) {
        if (out.uid) return user->fail_here(Errc::bad_config, "give uid or user, not both");
        const auto resolve = [&](const std::string& name) { return context.accounts().user(name); };
        ATTESTD_TRY(out.uid, parse_text(*user, resolve));
    }
    if (group) {
        if (out.gid) return group->fail_here(Errc::bad_config, "give gid or group, not both");
        const auto resolve = [&](const std::string& name) {
            return context.accounts().group(name);
        };
        ATTESTD_TRY(out.gid, parse_text(*group, resolve));
    }
    return {};
}

Result<MatchItem> load_item(const JsonValue& value, LoadContext& context, const Config& config) {
    MatchItem out;
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_CHECK(load_numbers(in, context, out));
    ATTESTD_CHECK(take(in, "unit", out.unit, parse_unit));
    ATTESTD_CHECK(take(in, "slice", out.slice, parse_slice));
    ATTESTD_CHECK(take(in, "container_id", out.container_id, parse_container_id));
    ATTESTD_CHECK(take(in, "pod_uid", out.pod_uid, parse_plain));
    ATTESTD_CHECK(take(in, "selinux", out.selinux, parse_label));
    ATTESTD_CHECK(take(in, "apparmor", out.apparmor, parse_label));
    ATTESTD_CHECK(
        take(in, "socket", out.socket, [&](const std::string& name) -> Result<std::string> {
            const auto named = [&](const ListenerConfig& l) {
                return l.name == name && l.kind == ListenerKind::workloads;
            };
            if (std::any_of(config.listeners.begin(), config.listeners.end(), named)) return name;
            return fail(Errc::bad_reference,
                        fmt::format("no listener of kind \"workloads\" is called \"{}\"", name));
        }));
    ATTESTD_CHECK(refuse_unavailable(in, out));
    ATTESTD_CHECK(in.finish());
    if (!identifies(out)) {
        return value.fail_here(Errc::bad_config, "an empty rule would match every caller");
    }
    return out;
}

Result<Workload> load_workload(const std::string& id, const JsonValue& value, LoadContext& context,
                               const Config& config) {
    Workload out;
    out.id = id;
    if (const auto good = check_id(id); !good)
        return value.fail_here(good.error().code, good.error().detail);
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(const JsonValue match, in.required("match"));
    ATTESTD_TRY(const auto items, match.array(kMaxMatchItems));
    if (items.empty())
        return match.fail_here(Errc::bad_config, "no rule: the workload could never match");
    for (const JsonValue& item : items) {
        ATTESTD_TRY(out.match.emplace_back(), load_item(item, context, config));
    }
    ATTESTD_TRY(out.allow_root, bool_or(in, "allow_root", false));
    ATTESTD_TRY(out.raw_evidence, bool_or(in, "raw_evidence", false));
    ATTESTD_TRY(const bool full, bool_or(in, "raw_is_full_identity", false));
    ATTESTD_CHECK(in.finish());
    if (out.raw_evidence && !full) {
        return value.fail_here(Errc::bad_config,
                               "raw_evidence lets the workload speak as the whole machine "
                               "to any relying party; say \"raw_is_full_identity\": true "
                               "to grant that");
    }
    return out;
}

}  // namespace

bool UnitPattern::matches(std::string_view unit) const noexcept {
    if (!any_instance) return unit == name;
    return unit.size() > name.size() + suffix.size() && unit.starts_with(name) &&
           unit.ends_with(suffix);
}

Result<void> load_workloads(const MaybeValue& value, LoadContext& context, Config& config) {
    if (!value) return {};
    ATTESTD_TRY(JsonObject workloads, value->object());
    for (const auto& [id, workload] : workloads.rest()) {  // in the order of their ids
        ATTESTD_TRY(config.workloads.emplace_back(), load_workload(id, workload, context, config));
    }
    return {};
}

}  // namespace attestd
