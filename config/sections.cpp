// The small members of the configuration: platform, verifier, audit, limits, identity,
// binding.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "config/internal/load_context.h"
#include "config/secret_name.h"

namespace attestd {
namespace {

Result<std::string> address_or_none(JsonObject& members, std::string_view key) {
    const auto value = members.optional(key);
    return value ? address_of(*value) : Result<std::string>(std::string());
}

}  // namespace

Result<std::string> address_of(const JsonValue& value) {
    ATTESTD_TRY(std::string text, value.text());
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c > ' ' && c <= '~' && c != '?' && c != '#' && c != '@';
    });
    constexpr std::string_view kScheme = "https://";
    if (plain && text.starts_with(kScheme) && text.size() > kScheme.size() && !text.ends_with('/'))
        return text;
    return value.fail_here(Errc::bad_value,
                           "an address as \"https://pccs.example.com:8081\" is expected");
}

namespace {

Result<CollateralConfig> load_collateral(const MaybeValue& value) {
    CollateralConfig out;
    if (!value) return out;
    ATTESTD_TRY(JsonObject members, value->object());
    ATTESTD_TRY(out.cache, path_or(members, "cache", out.cache));
    ATTESTD_TRY(out.fetch, bool_or(members, "fetch", out.fetch));
    ATTESTD_TRY(out.fetch_socket, path_or(members, "fetch_socket", out.fetch_socket));
    ATTESTD_TRY(out.pccs, address_or_none(members, "pccs"));
    ATTESTD_TRY(out.kds, address_or_none(members, "kds"));
    if (const auto update = members.optional("update")) {
        ATTESTD_TRY(const std::string text, update->text());
        if (text != "standard" && text != "early")
            return update->fail_here(Errc::bad_value, "\"standard\" or \"early\" is expected");
        out.early_update = text == "early";
    }
    if (const auto number = members.optional("tcb_evaluation_data_number")) {
        if (members.optional("update"))
            return number->fail_here(Errc::bad_config, "and \"update\" exclude each other");
        ATTESTD_TRY(const std::int64_t n, number->integer(1, INT32_MAX));
        out.evaluation_data_number = static_cast<std::uint32_t>(n);
    }
    ATTESTD_CHECK(members.finish());
    return out;
}

// {"per_second": N, "burst": N}, or per minute.
Result<RateLimit> rate_or(JsonObject& limits, std::string_view key, std::string_view unit,
                          double seconds, RateLimit otherwise) {
    constexpr std::uint32_t kMaxRate = 1'000'000;
    const auto value = limits.optional(key);
    if (!value) return otherwise;
    ATTESTD_TRY(JsonObject members, value->object());
    const auto round = [](double x) { return static_cast<std::uint32_t>(x + 0.5); };
    ATTESTD_TRY(const auto rate,
                number_or(members, unit, round(otherwise.per_second * seconds), 1, kMaxRate));
    ATTESTD_TRY(const auto burst,
                number_or(members, "burst", std::max(rate, round(otherwise.burst)), 1, kMaxRate));
    ATTESTD_CHECK(members.finish());
    return RateLimit{rate / seconds, static_cast<double>(burst)};
}

std::optional<PlatformType> platform_type_named(std::string_view name) {
    constexpr std::array<std::pair<std::string_view, PlatformType>, 6> kTypes{
        {{"auto", PlatformType::automatic},
         {"configfs_tsm", PlatformType::configfs_tsm},
         {"sev_guest", PlatformType::sev_guest},
         {"tdx_guest", PlatformType::tdx_guest},
         {"azure_vtpm", PlatformType::azure_vtpm},
         {"external", PlatformType::external}}};
    for (const auto& [known, type] : kTypes) {
        if (known == name) return type;
    }
    return std::nullopt;
}

// "vsock://CID:PORT"; attestd-fetch, whose configuration must list it too, judges the numbers.
Result<std::string> vsock_url_of(const JsonValue& value) {
    ATTESTD_TRY(std::string text, value.text());
    constexpr std::string_view kScheme = "vsock://";
    const std::size_t colon = text.find(':', kScheme.size());
    const auto is_digits = [](std::string_view part) {
        return !part.empty() && part.size() <= 10 &&
               part.find_first_not_of("0123456789") == part.npos;
    };
    const std::string_view view = text;
    if (view.starts_with(kScheme) && colon != text.npos &&
        is_digits(view.substr(kScheme.size(), colon - kScheme.size())) &&
        is_digits(view.substr(colon + 1))) {
        return text;
    }
    return value.fail_here(Errc::bad_value, "vsock://CID:PORT is expected, such as vsock://2:4050");
}

// The VMPL of reports: a member's name differs, because configfs calls it a privilege level.
Result<std::optional<std::uint32_t>> level_or_none(JsonObject& members, std::string_view key) {
    constexpr std::uint32_t kMaxVmpl = 3;
    const auto value = members.optional(key);
    if (!value) return std::nullopt;
    ATTESTD_TRY(const std::int64_t level, value->integer(0, kMaxVmpl));
    return static_cast<std::uint32_t>(level);
}

bool is_guid(std::string_view text) noexcept {
    constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    return std::equal(text.begin(), text.end(), kForm.begin(), kForm.end(), [](char c, char form) {
        const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        return form == 'x' ? is_hex : c == form;
    });
}

Result<TsmServiceConfig> load_tsm_service(const JsonValue& value) {
    TsmServiceConfig out;
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(const JsonValue provider, in.required("provider"));
    ATTESTD_TRY(out.provider, provider.text());
    if (out.provider != "svsm")
        return provider.fail_here(Errc::bad_value, "\"svsm\" is the one service provider there is");
    if (const auto guid = in.optional("guid")) {
        ATTESTD_TRY(out.guid, guid->text());
        if (!is_guid(out.guid)) {
            return guid->fail_here(Errc::bad_value,
                                   "a GUID in lower case is expected, as in "
                                   "\"c476f1eb-0123-45a5-9641-b4e7dde5bfe3\" (the vTPM's)");
        }
    }
    if (const auto version = in.optional("manifest_version")) {
        constexpr std::int64_t kMaxVersion = 0xffffffff;
        ATTESTD_TRY(const std::int64_t number, version->integer(0, kMaxVersion));
        out.manifest_version = std::to_string(number);
        if (out.guid.empty()) {
            return version->fail_here(Errc::bad_value,
                                      "goes with \"guid\": each service has versions of its own");
        }
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

// A path that two patterns match would be a container of one runtime or of the other.
Result<std::vector<ContainerPattern>> load_container_patterns(const JsonValue& value) {
    constexpr std::size_t kMaxPatterns = 64;
    std::vector<ContainerPattern> all = known_container_patterns();
    const auto num_known = static_cast<std::ptrdiff_t>(all.size());
    ATTESTD_TRY(const auto elements, value.array(kMaxPatterns));
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(const ContainerPattern pattern,
                    parse_text(element, [](const std::string& text) {
                        return ContainerPattern::parse(text);
                    }));
        for (const ContainerPattern& other : all) {
            if (!pattern.may_overlap(other)) continue;
            return element.fail_here(
                Errc::bad_config, fmt::format("and \"{}\" can match the same path", other.text()));
        }
        all.push_back(pattern);
    }
    return std::vector<ContainerPattern>(all.begin() + num_known, all.end());
}

}  // namespace

Result<PlatformConfig> load_platform(const MaybeValue& value) {
    PlatformConfig platform;
    if (!value) return platform;
    ATTESTD_TRY(JsonObject members, value->object());
    ATTESTD_TRY(const JsonValue type_value, members.required("type"));
    ATTESTD_TRY(const std::string type, type_value.text());
    const auto named = platform_type_named(type);
    if (!named) {
        return type_value.fail_here(
            Errc::bad_value,
            fmt::format("one of \"auto\", \"configfs_tsm\", \"sev_guest\", \"tdx_guest\", "
                        "\"azure_vtpm\" and \"external\" is expected, this is \"{}\"",
                        type));
    }
    platform.type = *named;
    if (*named == PlatformType::external) {
        ATTESTD_TRY(const JsonValue socket, members.required("socket"));
        ATTESTD_TRY(platform.socket, path_of(socket));
    }
    if (*named == PlatformType::azure_vtpm) {
        if (const auto socket = members.optional("socket")) {
            ATTESTD_TRY(platform.socket, path_of(*socket));
        }
    }
    if (*named == PlatformType::configfs_tsm) {
        ATTESTD_TRY(platform.vmpl, level_or_none(members, "privlevel"));
        if (const auto service = members.optional("service")) {
            ATTESTD_TRY(platform.service, load_tsm_service(*service));
        }
    }
    if (*named == PlatformType::sev_guest) {
        ATTESTD_TRY(platform.vmpl, level_or_none(members, "vmpl"));
    }
    if (*named == PlatformType::tdx_guest) {
        if (const auto service = members.optional("quote_service")) {
            ATTESTD_TRY(platform.quote_service, vsock_url_of(*service));
        }
    }
    ATTESTD_CHECK(members.finish());
    return platform;
}

namespace {

constexpr std::array<std::string_view, 7> kVerifierTypes{"local",    "external", "ita",    "maa",
                                                         "veraison", "kbs",      "coco_as"};

std::optional<VerifierType> verifier_type_named(std::string_view name) {
    const auto* const found = std::find(kVerifierTypes.begin(), kVerifierTypes.end(), name);
    if (found == kVerifierTypes.end()) return std::nullopt;
    return static_cast<VerifierType>(found - kVerifierTypes.begin());
}

Result<void> load_external_verifier(JsonObject& members, VerifierConfig& verifier) {
    constexpr Millis kMinTimeout = std::chrono::milliseconds(100);
    ATTESTD_TRY(const JsonValue socket, members.required("socket"));
    ATTESTD_TRY(verifier.socket, path_of(socket));
    ATTESTD_TRY(verifier.timeout, duration_or(members, "timeout", verifier.timeout, kMinTimeout));
    if (const auto test = members.optional("test")) {
        ATTESTD_TRY(verifier.expects_test, test->boolean());
    }
    verifier.collateral.fetch = false;  // what it lacks, it gets by itself
    return members.finish();
}

}  // namespace

Result<VerifierConfig> load_verifier(const JsonValue& value, LoadContext& context) {
    VerifierConfig verifier;
    ATTESTD_TRY(JsonObject members, value.object());
    ATTESTD_TRY(const JsonValue type_value, members.required("type"));
    ATTESTD_TRY(const std::string type, type_value.text());
    const auto named = verifier_type_named(type);
    if (!named) {
        return type_value.fail_here(Errc::bad_value,
                                    fmt::format("one of \"{}\" is expected, this is \"{}\"",
                                                fmt::join(kVerifierTypes, "\", \""), type));
    }
    verifier.type = *named;
    constexpr Millis kMinAge = std::chrono::seconds(1);
    ATTESTD_TRY(verifier.max_age, duration_or(members, "max_age", verifier.max_age, kMinAge));
    if (*named == VerifierType::external) {
        ATTESTD_CHECK(load_external_verifier(members, verifier));
        return verifier;
    }
    if (*named != VerifierType::local) {
        ATTESTD_CHECK(load_remote_verifier(*named, members, context, verifier));
        return verifier;
    }
    ATTESTD_TRY(const JsonValue policy, members.required("policy"));
    ATTESTD_TRY(const auto policy_path, path_of(policy));
    ATTESTD_TRY(verifier.endorsements, paths_or_none(members, "endorsements"));
    ATTESTD_TRY(const auto anchors, paths_or_none(members, "trust_anchors"));
    ATTESTD_TRY(verifier.collateral, load_collateral(members.optional("collateral")));
    ATTESTD_CHECK(members.finish());
    ATTESTD_TRY(verifier.policy, context.load(policy_path));
    for (const auto& path : anchors) {
        ATTESTD_TRY(verifier.trust_anchors.emplace_back(), context.load(path));
    }
    return verifier;
}

Result<AuditConfig> load_audit(const MaybeValue& value, const std::filesystem::path& state_dir) {
    constexpr std::uint32_t kMinFileLen = 65536;  // a record may have a sixteenth of it
    AuditConfig audit;
    audit.path = state_dir / "audit.jsonl";
    if (!value) return audit;
    ATTESTD_TRY(JsonObject members, value->object());
    ATTESTD_TRY(audit.path, path_or(members, "path", audit.path));
    if (const auto sync = members.optional("sync")) {
        ATTESTD_TRY(const std::string text, sync->text());
        if (text != "each" && text != "batched") {
            return sync->fail_here(Errc::bad_value, "\"batched\" or \"each\" is expected");
        }
        audit.sync = text == "each" ? AuditSync::each : AuditSync::batched;
    }
    if (const auto max_len = members.optional("max_size")) {
        ATTESTD_TRY(const std::int64_t len, max_len->integer(0, UINT32_MAX));
        if (len != 0 && len < kMinFileLen)
            return max_len->fail_here(Errc::bad_value, "0, or at least 65536 bytes, is expected");
        audit.max_len = static_cast<std::uint32_t>(len);
    }
    ATTESTD_TRY(audit.keep, number_or(members, "keep", audit.keep, 0, 65536));
    ATTESTD_TRY(audit.journal, bool_or(members, "journal", audit.journal));
    ATTESTD_CHECK(members.finish());
    return audit;
}

Result<Limits> load_limits(const MaybeValue& value) {
    constexpr std::uint32_t kMaxCount = 65536;
    constexpr std::uint32_t kMinRequestLen =
        20480;  // the read buffer of a connection and some body
    constexpr std::uint32_t kMaxLen = std::uint32_t{1} << 20;
    Limits out;
    if (!value) return out;
    ATTESTD_TRY(JsonObject in, value->object());
    ATTESTD_TRY(out.backlog, number_or(in, "backlog", out.backlog, 1, kMaxCount));
    ATTESTD_TRY(out.connections, number_or(in, "connections", out.connections, 1, kMaxCount));
    ATTESTD_TRY(out.connections_per_uid,
                number_or(in, "connections_per_uid", out.connections_per_uid, 1, kMaxCount));
    ATTESTD_TRY(out.request_timeout, duration_or(in, "request_timeout", out.request_timeout));
    ATTESTD_TRY(out.idle_timeout, duration_or(in, "idle_timeout", out.idle_timeout));
    ATTESTD_TRY(out.max_wait, duration_or(in, "max_wait", out.max_wait));
    ATTESTD_TRY(out.max_request_len,
                number_or(in, "max_request_len", out.max_request_len, kMinRequestLen, kMaxLen));
    ATTESTD_TRY(out.max_admin_body_len,
                number_or(in, "max_admin_body_len", out.max_admin_body_len, 1, kMaxLen));
    ATTESTD_TRY(out.requests, rate_or(in, "requests", "per_second", 1, out.requests));
    ATTESTD_TRY(out.quotes, rate_or(in, "quotes", "per_second", 1, out.quotes));
    ATTESTD_TRY(out.failures, rate_or(in, "failures", "per_minute", 60, out.failures));
    ATTESTD_TRY(out.failure_lock, duration_or(in, "failure_lock", out.failure_lock));
    ATTESTD_TRY(out.collect_timeout, duration_or(in, "collect_timeout", out.collect_timeout));
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<IdentityConfig> load_identity(const MaybeValue& value) {
    IdentityConfig out;
    if (!value) return out;
    ATTESTD_TRY(JsonObject in, value->object());
    ATTESTD_TRY(out.allow_weak, bool_or(in, "allow_weak", out.allow_weak));
    if (const auto required = in.optional("require_peer_pidfd")) {
        ATTESTD_TRY(out.require_peer_pidfd, required->boolean());
    }
    ATTESTD_TRY(out.allow_traced, bool_or(in, "allow_traced", out.allow_traced));
    ATTESTD_TRY(out.trace_recheck,
                duration_or(in, "trace_recheck", out.trace_recheck, /*min=*/Millis(0)));
    ATTESTD_TRY(out.allow_inherited_connection,
                bool_or(in, "allow_inherited_connection", out.allow_inherited_connection));
    ATTESTD_TRY(out.inspect_socket, path_or(in, "inspect_socket", out.inspect_socket));
    if (const auto patterns = in.optional("container_patterns")) {
        ATTESTD_TRY(out.container_patterns, load_container_patterns(*patterns));
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<ConfigBinding> load_config_binding(const MaybeValue& value) {
    if (!value) return ConfigBinding::none;
    ATTESTD_TRY(const std::string text, value->text());
    for (const auto binding : {ConfigBinding::none, ConfigBinding::image, ConfigBinding::hostdata,
                               ConfigBinding::mrconfigid, ConfigBinding::rtmr3}) {
        if (text == config_binding_name(binding)) return binding;
    }
    return value->fail_here(
        Errc::bad_value,
        fmt::format("one of \"none\", \"image\", \"hostdata\", \"mrconfigid\" and \"rtmr3\" is "
                    "expected, this is \"{}\"",
                    text));
}

Result<std::optional<LoadedFile>> load_hand_over(const MaybeValue& value, LoadContext& context) {
    if (!value) return std::nullopt;
    ATTESTD_TRY(JsonObject members, value->object());
    ATTESTD_TRY(const JsonValue policy, members.required("policy"));
    ATTESTD_TRY(const auto path, path_of(policy));
    ATTESTD_CHECK(members.finish());
    ATTESTD_TRY(LoadedFile file, context.load(path));
    return file;
}

}  // namespace attestd
