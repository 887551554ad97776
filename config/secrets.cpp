// Who may have which secret.
#include <fmt/format.h>

#include <algorithm>

#include "config/internal/load_context.h"
#include "config/secret_name.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxWorkloads = 256;
// Receivers are told whole seconds, and ask again at two thirds.
constexpr Millis kMinTtl = std::chrono::seconds(3);

Result<std::vector<std::string>> load_ids(const MaybeValue& value, const Config& config) {
    std::vector<std::string> ids;
    if (!value) return ids;
    ATTESTD_TRY(const auto elements, value->array(kMaxWorkloads));
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(const std::string id, element.text());
        const auto is_it = [&](const Workload& w) { return w.id == id; };
        if (std::none_of(config.workloads.begin(), config.workloads.end(), is_it)) {
            return element.fail_here(Errc::bad_reference,
                                     fmt::format("no workload is called \"{}\"", id));
        }
        ids.push_back(id);
    }
    return ids;
}

Result<SecretPolicy> load_secret(const std::string& name, const JsonValue& value,
                                 const Config& config) {
    SecretPolicy out;
    out.name = name;
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(const JsonValue source, in.required("source"));
    ATTESTD_TRY(out.source, source.text());
    if (!config.has_source(out.source)) {
        return source.fail_here(Errc::bad_reference,
                                fmt::format("no source is called \"{}\"", out.source));
    }
    out.resource = name;
    const auto resource = in.optional("resource");
    if (resource) {
        ATTESTD_TRY(out.resource, resource->text());
    }
    if (const auto good = check_resource(config, out.source, out.resource); !good)
        return (resource ? *resource : value).fail_here(good.error().code, good.error().detail);
    if (const auto once = check_sealed_once(config, out); !once)
        return (resource ? *resource : value).fail_here(once.error().code, once.error().detail);
    ATTESTD_TRY(const JsonValue allow, in.required("allow"));
    ATTESTD_TRY(out.allow, load_ids(allow, config));
    ATTESTD_TRY(out.deny, load_ids(in.optional("deny"), config));
    ATTESTD_TRY(out.test, bool_or(in, "test", false));
    if (in.optional("ttl")) {
        ATTESTD_TRY(out.ttl, duration_or(in, "ttl", kMinTtl, kMinTtl));
    }
    const auto require = in.optional("require");
    ATTESTD_TRY(out.require, load_conditions(require, out.test));
    if (config.protection_of(out.source) < out.require.min_protection) {
        return require->fail_here(
            Errc::bad_config,
            fmt::format("min_protection: what \"{}\" gives is protected by transport only: the "
                        "secret could never be released",
                        out.source));
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

}  // namespace

Result<void> load_secrets(const JsonValue& value, std::string_view prefix, Config& config) {
    ATTESTD_TRY(JsonObject secrets, value.object());
    for (const auto& [name, secret] : secrets.rest()) {
        if (const auto good = SecretName::parse(name); !good) {
            return secret.fail_here(good.error().code, good.error().detail);
        }
        if (!name.starts_with(prefix)) {
            return secret.fail_here(
                Errc::bad_config,
                fmt::format("this file may only grant names below \"{}\"", prefix));
        }
        ATTESTD_TRY(SecretPolicy policy, load_secret(name, secret, config));
        if (!config.secrets.emplace(name, std::move(policy)).second) {
            return secret.fail_here(Errc::duplicate_key,
                                    "another file already speaks of this secret");
        }
    }
    return {};
}

}  // namespace attestd
