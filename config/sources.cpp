// Where secrets come from: the sealed stores, and what each other type of source has a file for.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/internal/load_context.h"
#include "config/kbs_resource.h"
#include "config/sealed_resource.h"
#include "config/secret_name.h"
#include "config/vault_resource.h"

namespace attestd {
namespace {

// Types that the design names and this build does not have.
constexpr std::array<std::string_view, 1> kLaterSources{"external"};

Result<RemoteSlotConfig> load_remote_slot(const JsonValue& value) {
    RemoteSlotConfig out;
    ATTESTD_TRY(JsonObject in, value.object());
    ATTESTD_TRY(const JsonValue source, in.required("source"));
    ATTESTD_TRY(out.source, source.text());
    ATTESTD_TRY(const JsonValue resource, in.required("resource"));
    ATTESTD_TRY(out.resource, resource.text());
    ATTESTD_CHECK(in.finish());
    return out;
}

// At least one register, each once.
Result<std::uint32_t> load_vtpm_pcrs(const JsonValue& value) {
    constexpr std::size_t kNumPcrs = 24;
    ATTESTD_TRY(const auto elements, value.array(kNumPcrs));
    std::uint32_t mask = 0;
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(const std::int64_t pcr, element.integer(0, kNumPcrs - 1));
        const std::uint32_t bit = 1U << static_cast<unsigned>(pcr);
        if ((mask & bit) != 0)
            return element.fail_here(Errc::bad_config, "this PCR is named twice");
        mask |= bit;
    }
    if (mask == 0) return value.fail_here(Errc::bad_config, "name one PCR at least");
    return mask;
}

Result<StoreSourceConfig> load_store(JsonObject& members, const std::filesystem::path& default_path,
                                     LoadContext& context) {
    StoreSourceConfig store;
    ATTESTD_TRY(store.path, path_or(members, "path", default_path));
    ATTESTD_TRY(store.measured_image, bool_or(members, "measured_image", false));
    if (const auto pcrs = members.optional("vtpm_pcrs")) {
        ATTESTD_TRY(store.vtpm_pcrs, load_vtpm_pcrs(*pcrs));
    }
    const auto recovery_key = members.optional("recovery_key");
    if (const auto remote_slot = members.optional("remote_slot")) {
        ATTESTD_TRY(store.remote_slot, load_remote_slot(*remote_slot));
    }
    ATTESTD_CHECK(members.finish());
    if (recovery_key) {
        ATTESTD_TRY(const auto path, path_of(*recovery_key));
        ATTESTD_TRY(store.recovery_key, context.load(path));
    }
    return store;
}

// Whether the remote slots lead from `name` back to itself: then no store could be the first to
// open.
bool leads_back(const Config& config, const std::string& name) {
    std::string at = name;
    for (std::size_t i = 0; i < config.stores.size(); ++i) {
        const auto store = config.stores.find(at);
        if (store == config.stores.end() || !store->second.remote_slot) return false;
        at = store->second.remote_slot->source;
        if (at == name) return true;
    }
    return false;
}

// Remote slots may name sources that stand behind them in the file.
Result<void> resolve_remote_slots(const JsonValue& sources, Config& config) {
    for (const auto& [name, store] : config.stores) {
        if (!store.remote_slot) continue;
        const auto& [source, resource] = *store.remote_slot;
        if (!config.has_source(source)) {
            return sources.fail_here(
                Errc::bad_reference,
                fmt::format("{}.remote_slot: no source is called \"{}\"", name, source));
        }
        if (config.sealed_sources.contains(source)) {
            return sources.fail_here(
                Errc::bad_config,
                fmt::format("{}.remote_slot: a sealed secret is for a workload; name the source "
                            "that \"{}\" reads from",
                            name, source));
        }
        if (leads_back(config, name)) {
            return sources.fail_here(
                Errc::bad_config,
                fmt::format("{}.remote_slot: the store would have to be open to open it", name));
        }
        if (const auto good = check_resource(config, source, resource); !good) {
            return sources.fail_here(good.error().code, fmt::format("{}.remote_slot.resource: {}",
                                                                    name, good.error().detail));
        }
        SecretPolicy secret;
        secret.name = secret.resource = resource;
        secret.source = source;
        secret.test = config.is_test_setup();
        config.slot_secrets.emplace(name, std::move(secret));
    }
    return {};
}

Result<void> load_source(const std::string& name, const JsonValue& source, LoadContext& context,
                         Config& config) {
    ATTESTD_TRY(JsonObject members, source.object());
    ATTESTD_TRY(const JsonValue type_value, members.required("type"));
    ATTESTD_TRY(const std::string type, type_value.text());
    if (type == "store") {
        ATTESTD_TRY(auto store, load_store(members, config.state_dir / name, context));
        config.stores.emplace(name, std::move(store));
        return {};
    }
    if (type == "kbs") {
        ATTESTD_TRY(auto broker, load_kbs_source(members, context));
        config.brokers.emplace(name, std::move(broker));
        return {};
    }
    if (type == "vault") {
        ATTESTD_TRY(auto vault, load_vault_source(members));
        config.hashi_vaults.emplace(name, std::move(vault));
        return {};
    }
    if (type == "credential") {
        config.credentials.emplace(name, CredentialSourceConfig{});
        return members.finish();
    }
    if (type == "sealed") {
        ATTESTD_TRY(auto sealed, load_sealed_source(members, context));
        config.sealed_sources.emplace(name, std::move(sealed));
        return {};
    }
    return fail_type(type_value, type, kLaterSources,
                     "\"store\", \"kbs\", \"vault\", \"credential\" and \"sealed\"");
}

}  // namespace

Result<void> load_sources(const MaybeValue& value, LoadContext& context, Config& config) {
    if (!value) return {};
    ATTESTD_TRY(JsonObject sources, value->object());
    for (const auto& [name, source] : sources.rest()) {
        if (const auto good = check_id(name); !good)
            return source.fail_here(good.error().code, good.error().detail);
        ATTESTD_CHECK(load_source(name, source, context, config));
    }
    ATTESTD_CHECK(resolve_login_tokens(*value, config));
    ATTESTD_CHECK(resolve_sealed_sources(*value, config));
    return resolve_remote_slots(*value, config);
}

Result<void> check_resource(const Config& config, const std::string& source,
                            const std::string& resource) {
    if (config.brokers.contains(source)) {
        ATTESTD_CHECK(kbs_path_of(resource));
        return {};
    }
    if (config.hashi_vaults.contains(source)) {
        ATTESTD_CHECK(parse_vault_resource(resource));
        return {};
    }
    if (config.sealed_sources.contains(source)) {
        ATTESTD_CHECK(sealed_form_of(resource));
        return {};
    }
    if (!config.has_source(source))
        return fail(Errc::bad_reference, fmt::format("no source is called \"{}\"", source));
    ATTESTD_CHECK(SecretName::parse(resource));
    return {};
}

Protection Config::protection_of(std::string_view source) const {
    // No store stands behind itself: resolve_remote_slots() refused that.
    auto store = stores.find(source);
    while (store != stores.end() && store->second.remote_slot) {
        source = store->second.remote_slot->source;
        store = stores.find(source);
    }
    // What a broker alone can be asked for; a key of Vault's passes in TLS alone.
    const auto sealed = sealed_sources.find(source);
    if (sealed != sealed_sources.end()) {
        return sealed->second.hashi_vault.empty() ? Protection::end_to_end : Protection::transport;
    }
    const bool is_end_to_end = store != stores.end() || brokers.contains(source);
    return is_end_to_end ? Protection::end_to_end : Protection::transport;
}

}  // namespace attestd
