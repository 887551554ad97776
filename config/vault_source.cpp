// Sources of type "vault": HashiCorp Vault or OpenBao, with a login by an attestation token.
#include <fmt/format.h>

#include "config/internal/load_context.h"
#include "config/vault_resource.h"

namespace attestd {
namespace {

constexpr Millis kMinVaultTimeout = std::chrono::milliseconds(100);
constexpr Millis kMaxVaultTimeout = std::chrono::minutes(5);
constexpr std::size_t kMaxRoleLen = 128;

Result<std::string> url_path_or(JsonObject& members, std::string_view key, std::string otherwise) {
    const auto value = members.optional(key);
    if (!value) return otherwise;
    ATTESTD_TRY(std::string text, value->text());
    if (is_url_path(text)) return text;
    return value->fail_here(Errc::bad_value,
                            "parts of [A-Za-z0-9._~-] joined by '/' are expected, without a slash "
                            "at the beginning and the end");
}

Result<std::string> role_of(const JsonValue& value) {
    ATTESTD_TRY(std::string role, value.text());
    if (!role.empty() && role.size() <= kMaxRoleLen) return role;
    return value.fail_here(Errc::bad_value, "1 to 128 characters are expected");
}

Result<void> take_login_token(JsonObject& members, HashiVaultSourceConfig& out) {
    const auto source = members.optional("token_source");
    const auto file = members.optional("token_file");
    if (source && file)
        return file->fail_here(Errc::bad_config, "and \"token_source\" exclude each other");
    if (source) {
        out.login_token = LoginToken::source;
        ATTESTD_TRY(out.token_source, source->text());
    }
    if (file) {
        out.login_token = LoginToken::file;
        ATTESTD_TRY(out.token_file, path_of(*file));
    }
    return {};
}

}  // namespace

Result<HashiVaultSourceConfig> load_vault_source(JsonObject& members) {
    HashiVaultSourceConfig out;
    ATTESTD_TRY(const JsonValue url, members.required("url"));
    ATTESTD_TRY(out.url, address_of(url));
    ATTESTD_TRY(out.name_space, url_path_or(members, "namespace", ""));
    ATTESTD_TRY(out.auth_mount, url_path_or(members, "auth_path", out.auth_mount));
    ATTESTD_TRY(const JsonValue role, members.required("role"));
    ATTESTD_TRY(out.role, role_of(role));
    ATTESTD_CHECK(take_login_token(members, out));
    const auto timeout = members.optional("timeout");
    ATTESTD_TRY(out.timeout, duration_or(members, "timeout", out.timeout, kMinVaultTimeout));
    if (timeout && out.timeout > kMaxVaultTimeout)
        return timeout->fail_here(Errc::bad_value, "at most 5m is taken");
    ATTESTD_TRY(out.fetch_socket, path_or(members, "fetch_socket", out.fetch_socket));
    ATTESTD_CHECK(members.finish());
    return out;
}

Result<void> resolve_login_tokens(const JsonValue& sources, const Config& config) {
    for (const auto& [name, vault] : config.hashi_vaults) {
        if (vault.login_token == LoginToken::source &&
            !config.brokers.contains(vault.token_source)) {
            return sources.fail_here(
                Errc::bad_reference,
                fmt::format("{}.token_source: no source of type \"kbs\" is called \"{}\"", name,
                            vault.token_source));
        }
        if (vault.login_token == LoginToken::verifier &&
            !gives_identity_token(config.verifier.type)) {
            return sources.fail_here(
                Errc::bad_config,
                fmt::format("{}: the verifier \"{}\" gives no token to log in with; name a key "
                            "broker as \"token_source\", or a \"token_file\"",
                            name, verifier_type_name(config.verifier.type)));
        }
    }
    return {};
}

}  // namespace attestd
