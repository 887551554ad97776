// The sockets: where, for whom, and with which mode.
#include <fmt/format.h>

#include <algorithm>

#include "config/internal/load_context.h"
#include "config/secret_name.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxListeners = 64;
constexpr std::size_t kMaxSocketPathLen = 107;  // sun_path less its terminator
constexpr mode_t kOthers = 0007;
constexpr mode_t kAllButOwner = 0077;

Result<mode_t> parse_mode(const std::string& text) {
    const bool octal =
        text.size() == 4 && text[0] == '0' &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
    if (!octal)
        return fail(Errc::bad_value, "a mode such as \"0660\" is expected: four octal digits");
    mode_t mode = 0;
    for (const char c : text) mode = mode * 8 + static_cast<mode_t>(c - '0');
    return mode;
}

Result<ListenerKind> parse_kind(const std::string& text) {
    if (text == "workloads") return ListenerKind::workloads;
    if (text == "admin") return ListenerKind::admin;
    if (text == "credentials") return ListenerKind::credentials;
    if (text == "coco") return ListenerKind::coco;
    return fail(Errc::bad_value,
                "\"workloads\", \"admin\", \"credentials\" or \"coco\" is expected");
}

Result<OnRefusal> parse_on_refusal(const std::string& text) {
    if (text == "fail") return OnRefusal::fail;
    if (text == "empty") return OnRefusal::empty;
    return fail(Errc::bad_value, "\"fail\" or \"empty\" is expected");
}

Result<std::string> parse_id(const std::string& text) {
    ATTESTD_CHECK(check_id(text));
    return text;
}

mode_t default_mode(ListenerKind kind) noexcept {
    return kind == ListenerKind::workloads || kind == ListenerKind::coco ? 0660 : 0600;
}

ListenerConfig default_listener(const char* name, const char* path, ListenerKind kind) {
    ListenerConfig out;
    out.name = name;
    out.path = path;
    out.kind = kind;
    out.mode = default_mode(kind);
    return out;
}

ListenerConfig default_admin() {
    return default_listener("admin", "/run/attestd/admin.sock", ListenerKind::admin);
}

// Only systemd, which is root, has business there.
Result<void> load_credentials(JsonObject& in, ListenerConfig& out) {
    const auto on_refusal = in.optional("on_refusal");
    const auto hold = in.optional("hold");
    if (out.kind != ListenerKind::credentials) {
        const auto& given = on_refusal ? on_refusal : hold;
        if (!given) return {};
        return given->fail_here(Errc::bad_config, "is for listeners of kind \"credentials\"");
    }
    if (on_refusal) {
        ATTESTD_TRY(out.on_refusal, parse_text(*on_refusal, parse_on_refusal));
    }
    ATTESTD_TRY(out.hold, duration_or(in, "hold", out.hold));
    return {};
}

// What listeners of kind "coco" alone have.
Result<void> load_coco(JsonObject& in, const Config& config, ListenerConfig& out) {
    for (const std::string_view key : {"coco_strict_status", "coco_token_source", "loopback_tcp"}) {
        const auto value = in.optional(key);
        if (!value || out.kind == ListenerKind::coco) continue;
        return value->fail_here(Errc::bad_config, "is for listeners of kind \"coco\"");
    }
    ATTESTD_TRY(out.coco_strict_status, bool_or(in, "coco_strict_status", false));
    ATTESTD_TRY(out.loopback_tcp, bool_or(in, "loopback_tcp", false));
    const auto broker = in.optional("coco_token_source");
    if (!broker) return {};
    ATTESTD_TRY(out.coco_token_source, broker->text());
    if (config.brokers.contains(out.coco_token_source)) return {};
    return broker->fail_here(
        Errc::bad_reference,
        fmt::format("no source of type \"kbs\" is called \"{}\"", out.coco_token_source));
}

// A socket of systemd's has no file of ours.
Result<void> load_path(JsonObject& in, ListenerConfig& out) {
    if (!out.loopback_tcp) {
        ATTESTD_TRY(const JsonValue path, in.required("path"));
        ATTESTD_TRY(out.path, path_of(path));
        if (out.path.native().size() <= kMaxSocketPathLen) return {};
        return path.fail_here(Errc::bad_value, "a socket's path has at most 107 bytes");
    }
    for (const std::string_view key : {"path", "group", "mode", "world_accessible"}) {
        const auto value = in.optional(key);
        if (!value) continue;
        return value->fail_here(Errc::bad_config,
                                "has no meaning with \"loopback_tcp\": systemd hands the socket "
                                "over, and every process that reaches the port may connect");
    }
    return {};
}

// Reaching a socket is a condition by itself: it is given up in so many words, or not at all.
Result<void> check_world_access(const JsonValue& mode_value, mode_t mode, bool granted) {
    if ((mode & kOthers) == 0 || granted) return {};
    return mode_value.fail_here(Errc::bad_value,
                                "lets every user of this machine connect; name a group, or say "
                                "\"world_accessible\": true");
}

Result<void> load_mode(JsonObject& in, LoadContext& context, ListenerConfig& out) {
    if (const auto group = in.optional("group")) {
        const auto resolve = [&](const std::string& name_of) {
            return context.accounts().group(name_of);
        };
        ATTESTD_TRY(out.group, parse_text(*group, resolve));
    }
    ATTESTD_TRY(const bool world_accessible, bool_or(in, "world_accessible", false));
    out.mode = default_mode(out.kind);
    if (const auto mode = in.optional("mode")) {
        ATTESTD_TRY(out.mode, parse_text(*mode, parse_mode));
        if (out.kind == ListenerKind::admin && (out.mode & kOthers) != 0) {
            return mode->fail_here(Errc::bad_value, "an admin socket is never open to others");
        }
        if (out.kind == ListenerKind::credentials && (out.mode & kAllButOwner) != 0) {
            return mode->fail_here(Errc::bad_value, "a credential socket is root's alone: 0600");
        }
        ATTESTD_CHECK(check_world_access(*mode, out.mode, world_accessible));
    }
    return {};
}

Result<ListenerConfig> load_listener(const JsonValue& value, LoadContext& context,
                                     const Config& config) {
    ListenerConfig out;
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(const JsonValue name, in.required("name"));
    ATTESTD_TRY(out.name, parse_text(name, parse_id));
    if (const auto kind = in.optional("kind")) {
        ATTESTD_TRY(out.kind, parse_text(*kind, parse_kind));
    }
    ATTESTD_CHECK(load_coco(in, config, out));
    ATTESTD_CHECK(load_path(in, out));
    ATTESTD_CHECK(load_mode(in, context, out));
    ATTESTD_CHECK(load_credentials(in, out));
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<void> check_distinct(const std::vector<ListenerConfig>& listeners, const JsonValue& value) {
    for (auto it = listeners.begin(); it != listeners.end(); ++it) {
        const auto same = [&](const ListenerConfig& l) {
            return l.name == it->name || (!l.path.empty() && l.path == it->path);
        };
        if (std::any_of(listeners.begin(), it, same)) {
            return value.fail_here(Errc::bad_config,
                                   fmt::format("two listeners share the name \"{}\" or the path {}",
                                               it->name, it->path.string()));
        }
    }
    return {};
}

}  // namespace

Result<void> load_listeners(const MaybeValue& value, LoadContext& context, Config& config) {
    auto& listeners = config.listeners;
    if (!value) {
        listeners = {
            default_listener("default", "/run/attestd/attestd.sock", ListenerKind::workloads),
            default_admin(),
            default_listener("credentials", "/run/attestd/credentials.sock",
                             ListenerKind::credentials)};
        return {};
    }
    ATTESTD_TRY(const auto elements, value->array(kMaxListeners));
    if (elements.empty()) {
        return value->fail_here(Errc::bad_config,
                                "no listener: nobody could reach attestd; leave the key "
                                "out for the default ones");
    }
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(listeners.emplace_back(), load_listener(element, context, config));
    }
    const auto is_admin = [](const ListenerConfig& l) { return l.kind == ListenerKind::admin; };
    if (std::none_of(listeners.begin(), listeners.end(), is_admin))
        listeners.push_back(default_admin());
    return check_distinct(listeners, *value);
}

}  // namespace attestd
