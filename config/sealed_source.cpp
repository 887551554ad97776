// Sources of type "sealed": who may sign sealed secrets, and which other sources open them.
#include <fmt/format.h>

#include <algorithm>

#include "config/internal/load_context.h"
#include "config/kbs_resource.h"
#include "config/sealed_resource.h"
#include "config/vault_resource.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxTrustedKids = 32;

Result<std::vector<std::string>> load_trusted_kids(const MaybeValue& value) {
    std::vector<std::string> out;
    if (!value) return out;
    ATTESTD_TRY(const auto elements, value->array(kMaxTrustedKids));
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(std::string kid, element.text());
        if (!is_kbs_uri(kid)) {
            return element.fail_here(Errc::bad_value,
                                     "kbs:///REPOSITORY/TYPE/TAG is expected; a key with another "
                                     "\"kid\" goes into the file of \"trusted_keys\"");
        }
        if (std::find(out.begin(), out.end(), kid) != out.end())
            return element.fail_here(Errc::bad_config, "this \"kid\" is named twice");
        out.push_back(std::move(kid));
    }
    return out;
}

Result<std::string> load_transit_mount(const JsonValue& value) {
    ATTESTD_TRY(std::string mount, value.text());
    if (is_url_path(mount) && mount.find('/') == std::string::npos) return mount;
    return value.fail_here(Errc::bad_value, "one part of [A-Za-z0-9._~-] is expected");
}

// Nobody's signature would count, or there would be nothing that a signed text could lead to.
Result<void> check_sealed_source(const JsonObject& members, const SealedSourceConfig& config,
                                 bool names_mount) {
    const auto refuse = [&](std::string_view why) -> Result<void> {
        return members.value().fail_here(Errc::bad_config, why);
    };
    if (!config.trusted_keys && config.trusted_kids.empty())
        return refuse("\"trusted_keys\" or \"trusted_kids\" must say who signs sealed secrets");
    if (!config.trusted_kids.empty() && config.broker.empty())
        return refuse("\"trusted_kids\" are resources of a key broker: name it as \"kbs\"");
    if (config.broker.empty() && config.hashi_vault.empty())
        return refuse("name a source as \"kbs\" for pointers, or one as \"vault\" for envelopes");
    if (names_mount && config.hashi_vault.empty())
        return refuse("\"transit\" is an engine of the source that \"vault\" names");
    return {};
}

Result<std::string> name_or_none(JsonObject& members, std::string_view key) {
    const auto value = members.optional(key);
    return value ? value->text() : Result<std::string>(std::string());
}

}  // namespace

Result<SealedSourceConfig> load_sealed_source(JsonObject& members, LoadContext& context) {
    SealedSourceConfig out;
    ATTESTD_TRY(out.trusted_keys, file_or_none(members, "trusted_keys", context));
    ATTESTD_TRY(out.trusted_kids, load_trusted_kids(members.optional("trusted_kids")));
    ATTESTD_TRY(out.broker, name_or_none(members, "kbs"));
    ATTESTD_TRY(out.hashi_vault, name_or_none(members, "vault"));
    const auto mount = members.optional("transit");
    if (mount) {
        ATTESTD_TRY(out.transit_mount, load_transit_mount(*mount));
    }
    ATTESTD_TRY(out.unbound, bool_or(members, "unbound", false));
    ATTESTD_CHECK(members.finish());
    ATTESTD_CHECK(check_sealed_source(members, out, mount.has_value()));
    return out;
}

// Only brokers and Vaults can be named, and they name no source of this type: nothing leads back.
Result<void> resolve_sealed_sources(const JsonValue& sources, const Config& config) {
    for (const auto& [name, sealed] : config.sealed_sources) {
        if (!sealed.broker.empty() && !config.brokers.contains(sealed.broker)) {
            return sources.fail_here(
                Errc::bad_reference,
                fmt::format("{}.kbs: no source of type \"kbs\" is called \"{}\"", name,
                            sealed.broker));
        }
        if (!sealed.hashi_vault.empty() && !config.hashi_vaults.contains(sealed.hashi_vault)) {
            return sources.fail_here(
                Errc::bad_reference,
                fmt::format("{}.vault: no source of type \"vault\" is called \"{}\"", name,
                            sealed.hashi_vault));
        }
    }
    return {};
}

// Its name is part of what was signed for it: another secret would get a value that was not.
Result<void> check_sealed_once(const Config& config, const SecretPolicy& secret) {
    if (!config.sealed_sources.contains(secret.source)) return {};
    for (const auto& [name, other] : config.secrets) {
        if (other.source != secret.source || other.resource != secret.resource) continue;
        return fail(Errc::bad_config,
                    fmt::format("\"{}\" has this resource of \"{}\" already, and a sealed secret "
                                "is for one name",
                                name, secret.source));
    }
    return {};
}

}  // namespace attestd
