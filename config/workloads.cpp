// Who is who: the rules by which a caller is a workload (spec/workload-identity.md section 7).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/internal/load_context.h"
#include "config/secret_name.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxMatchItems = 64;
constexpr std::size_t kMaxTextLen = 255;
constexpr std::int64_t kMaxUid = 0xfffffffe;  // the last one means "none" to the kernel

// Known to the design and not to this build: refused in these words, not as a typing error.
constexpr std::array<std::string_view, 2> kRuntimeKeys{"container_image", "container_label"};
constexpr std::string_view kVerityRootKey = "on_verity_root";

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

Result<Sha256> parse_sha256(const std::string& text) {
    ATTESTD_TRY(const std::string digits, parse_container_id(text));  // of the same form
    return array_from_hex<Sha256().size()>(digits, "exe_sha256");
}

Result<Sha256> parse_verity(const std::string& text) {
    constexpr std::string_view kAlgorithm = "sha256:";
    if (text.starts_with(kAlgorithm)) {
        if (auto digest = parse_sha256(text.substr(kAlgorithm.size()))) return digest;
    }
    return fail(
        Errc::bad_value,
        "\"sha256:\" and 64 lower-case hexadecimal digits are expected, as fsverity measure "
        "prints them");
}

// The whole path as the kernel spells it: nothing in it is resolved or expanded here.
Result<std::string> parse_exe_path(const std::string& text) {
    constexpr std::size_t kMaxPathLen = 4095;
    const std::filesystem::path path(text);
    const bool plain = std::none_of(path.begin(), path.end(),
                                    [](const auto& part) { return part == "." || part == ".."; });
    if (path.is_absolute() && plain && path.has_filename() && text.size() <= kMaxPathLen &&
        text.find('\0') == std::string::npos) {
        return text;
    }
    return fail(Errc::bad_value, "an absolute path of a file without \".\" and \"..\" is expected");
}

Result<bool> parse_init(const std::string& text) {
    if (text == "init") return true;
    return fail(Errc::bad_value, "\"init\" is expected: the namespace that attestd runs in");
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

// The kernel can tell who it is; what the executable is, any process of the same user can arrange.
bool bears_executable(const MatchItem& item) noexcept {
    return item.uid || item.unit || item.container_id || item.pod_uid;
}

// Rules that name facts which this installation cannot learn are refused, not skipped: a condition
// left out would let more callers in.
Result<void> refuse_unsupported(JsonObject& in) {
    for (const std::string_view key : kRuntimeKeys) {
        if (const auto value = in.optional(key)) {
            return value->fail_here(Errc::bad_config,
                                    "needs the container runtime's API, which is not supported by "
                                    "this build; use container_id or unit");
        }
    }
    if (const auto value = in.optional(kVerityRootKey)) {
        return value->fail_here(Errc::bad_config,
                                "is not supported by this build; use exe_verity or exe_sha256");
    }
    return {};
}

Result<void> load_inspected(JsonObject& in, const Config& config, MatchItem& out) {
    const auto unlinked = in.optional("allow_unlinked");
    ATTESTD_CHECK(take(in, "exe_sha256", out.exe_sha256, parse_sha256));
    ATTESTD_CHECK(take(in, "exe_verity", out.exe_verity, parse_verity));
    ATTESTD_CHECK(take(in, "exe_path", out.exe_path, parse_exe_path));
    ATTESTD_CHECK(take(in, "pidns", out.init_pidns, parse_init));
    ATTESTD_CHECK(take(in, "userns", out.init_userns, parse_init));
    if (unlinked) {
        ATTESTD_TRY(out.allow_unlinked, unlinked->boolean());
        if (!out.exe_sha256)
            return unlinked->fail_here(Errc::bad_config, "goes with exe_sha256 alone");
    }
    for (const std::string_view key : {"exe_sha256", "exe_verity", "exe_path"}) {
        const auto value = in.optional(key);
        if (!value || bears_executable(out)) continue;
        return value->fail_here(Errc::bad_config,
                                "an executable alone identifies nobody: any process of the same "
                                "user can run it; add a uid, unit or container");
    }
    for (const std::string_view key : {"exe_sha256", "exe_verity", "exe_path", "pidns", "userns"}) {
        const auto value = in.optional(key);
        if (!value || !config.identity.inspect_socket.empty()) continue;
        return value->fail_here(Errc::bad_config,
                                "needs attestd-inspect: install it and name its socket in "
                                "identity.inspect_socket");
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

// Over TCP the kernel says nothing about who calls: a rule that asks for more never matches there.
Result<void> check_nameless(const JsonValue& value, const Config& config, const MatchItem& item) {
    const bool is_tcp = std::any_of(
        config.listeners.begin(), config.listeners.end(),
        [&](const ListenerConfig& l) { return l.loopback_tcp && l.name == item.socket; });
    if (!is_tcp || item.is_socket_alone()) return {};
    return value.fail_here(Errc::bad_config,
                           fmt::format("listener \"{}\" is TCP, where the kernel names no "
                                       "caller: a rule for it has \"socket\" and nothing else",
                                       *item.socket));
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
                return l.name == name && l.kind != ListenerKind::admin;
            };
            if (std::any_of(config.listeners.begin(), config.listeners.end(), named)) return name;
            return fail(
                Errc::bad_reference,
                fmt::format(
                    "no listener of kind \"workloads\", \"coco\" or \"credentials\" is called "
                    "\"{}\"",
                    name));
        }));
    ATTESTD_CHECK(load_inspected(in, config, out));
    ATTESTD_CHECK(refuse_unsupported(in));
    ATTESTD_CHECK(in.finish());
    ATTESTD_CHECK(check_nameless(value, config, out));
    if (!identifies(out)) {
        return value.fail_here(Errc::bad_config,
                               out.needs_inspection()
                                   ? "a namespace alone would match nearly every caller"
                                   : "an empty rule would match every caller");
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
    ATTESTD_TRY(out.events, bool_or(in, "events", false));
    ATTESTD_CHECK(load_tokens(in, config, out));
    ATTESTD_CHECK(in.finish());
    if (out.raw_evidence && !full) {
        return value.fail_here(Errc::bad_config,
                               "raw_evidence lets the workload speak as the whole machine "
                               "to any relying party; say \"raw_is_full_identity\": true "
                               "to grant that");
    }
    return out;
}

// Every fact that comes from the cgroup stands here: what is not named is not looked at again
// before each release (Peer::recheck).
bool looks_at_cgroup(const Workload& workload) {
    return std::any_of(workload.match.begin(), workload.match.end(), [](const MatchItem& item) {
        return item.unit || item.slice || item.container_id || item.pod_uid;
    });
}

}  // namespace

bool UnitPattern::matches(std::string_view unit) const noexcept {
    if (!any_instance) return unit == name;
    return unit.size() > name.size() + suffix.size() && unit.starts_with(name) &&
           unit.ends_with(suffix);
}

bool Config::needs_inspection() const noexcept {
    const auto needs = [](const MatchItem& item) { return item.needs_inspection(); };
    return std::any_of(workloads.begin(), workloads.end(), [&](const Workload& workload) {
        return std::any_of(workload.match.begin(), workload.match.end(), needs);
    });
}

Result<void> load_workloads(const MaybeValue& value, LoadContext& context, Config& config) {
    config.identity.cgroup_matters = false;
    if (!value) return {};
    ATTESTD_TRY(JsonObject workloads, value->object());
    for (const auto& [id, workload] : workloads.rest()) {  // in the order of their ids
        ATTESTD_TRY(config.workloads.emplace_back(), load_workload(id, workload, context, config));
    }
    config.identity.cgroup_matters =
        std::any_of(config.workloads.begin(), config.workloads.end(), looks_at_cgroup);
    return {};
}

}  // namespace attestd
