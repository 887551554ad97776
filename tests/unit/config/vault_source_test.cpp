// Vault in configuration: what is taken, what is refused, and what a resource names.
#include "config/vault_resource.h"
#include "tests/support/catch.h"
#include "tests/unit/config/setup.h"

namespace attestd::config_test {
namespace {

using Kind = VaultResource::Kind;

const std::string kVaultUrl = R"("type": "vault", "url": "https://vault.example:8200")";

Result<Config> vault_with(const std::string& members, const std::string& more = "") {
    const Setup setup;
    return setup.load_with(R"("sources": {"broker": {"type": "kbs", "url": "https://k",
        "discover_token_signer": true}, "creds": {"type": "credential"}, "vault": {)" +
                           kVaultUrl + ", " + members + "}}," + more);
}

}  // namespace

TEST_CASE("configuration: Vault by its defaults, and with all that can be said",
          "[config][vault]") {
    const auto least = vault_with(R"("role": "r", "token_source": "broker")");
    REQUIRE_OK(least);
    const HashiVaultSourceConfig& vault = least->hashi_vaults.at("vault");
    CHECK(vault.url == "https://vault.example:8200");
    CHECK(vault.auth_mount == "jwt");
    CHECK(vault.name_space.empty());
    CHECK(vault.login_token == LoginToken::source);
    CHECK(vault.token_source == "broker");
    CHECK(vault.timeout == std::chrono::seconds(30));
    CHECK(least->credentials.contains("creds"));
    CHECK(least->num_remote_sources() == 3);

    const auto most = vault_with(R"("role": "r", "token_file": "/run/token", "namespace": "a/b",
        "auth_path": "team/jwt-tee", "timeout": "5m", "fetch_socket": "/run/f.sock")");
    REQUIRE_OK(most);
    const HashiVaultSourceConfig& all = most->hashi_vaults.at("vault");
    CHECK(all.login_token == LoginToken::file);
    CHECK(all.token_file == "/run/token");
    CHECK(all.name_space == "a/b");
    CHECK(all.auth_mount == "team/jwt-tee");
    CHECK(all.fetch_socket == "/run/f.sock");
}

TEST_CASE("configuration: what cannot be said of Vault is refused by name", "[config][vault]") {
    struct Row {
        const char* members;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {R"("token_file": "/t")", Errc::missing_key, "\"role\""},
        {R"("role": "", "token_file": "/t")", Errc::bad_value, "1 to 128"},
        {R"("role": "r")", Errc::bad_config,
         "vault: the verifier \"local\" gives no token to log in with; name a key broker as "
         "\"token_source\", or a \"token_file\""},
        {R"("role": "r", "token_source": "nobody")", Errc::bad_reference,
         "no source of type \"kbs\" is called \"nobody\""},
        {R"("role": "r", "token_source": "creds")", Errc::bad_reference, "type \"kbs\""},
        {R"("role": "r", "token_source": "broker", "token_file": "/t")", Errc::bad_config,
         "exclude each other"},
        {R"("role": "r", "token_file": "t")", Errc::bad_value, "absolute path"},
        {R"("role": "r", "token_file": "/t", "namespace": "a/")", Errc::bad_value, "slash"},
        {R"("role": "r", "token_file": "/t", "namespace": "a\r\nb")", Errc::bad_value, "parts"},
        {R"("role": "r", "token_file": "/t", "auth_path": "../sys")", Errc::bad_value, "parts"},
        {R"("role": "r", "token_file": "/t", "timeout": "6m")", Errc::bad_value, "at most 5m"},
        {R"("role": "r", "token_file": "/t", "tls_skip_verify": true)", Errc::unknown_key,
         "tls_skip_verify"},
    }));
    CAPTURE(row.members);
    const auto refused = vault_with(row.members);
    REQUIRE_ERRC(row.want, refused);
    CHECK(refused.error().detail.find(row.says) != std::string::npos);
}

TEST_CASE("configuration: what only transport protects is never promised as more",
          "[config][vault]") {
    const std::string secret = R"("workloads": {"app": {"match": [{"uid": 1000}]}}, "secrets":
        {"a": {"source": "SOURCE", "resource": "x/y/z", "allow": ["app"],
               "require": {"min_protection": "end_to_end"}}},)";
    const auto with = [&](const std::string& source) {
        std::string text = secret;
        text.replace(text.find("SOURCE"), 6, source);
        return vault_with(R"("role": "r", "token_file": "/t")", text);
    };
    REQUIRE_OK(with("broker"));
    for (const char* const source : {"vault", "creds"}) {
        const auto refused = with(source);
        REQUIRE_ERRC(Errc::bad_config, refused);
        CHECK(refused.error().detail.find("could never be released") != std::string::npos);
    }
}

TEST_CASE("configuration: a store is worth no more than the source of its remote slot",
          "[config][vault]") {
    const Setup setup;
    const auto config = setup.load_with(R"("sources": {"creds": {"type": "credential"},
        "broker": {"type": "kbs", "url": "https://k", "discover_token_signer": true},
        "plain": {"type": "store"},
        "far": {"type": "store", "remote_slot": {"source": "near", "resource": "k"}},
        "near": {"type": "store", "remote_slot": {"source": "creds", "resource": "k"}},
        "good": {"type": "store", "remote_slot": {"source": "broker", "resource": "a/b/c"}}},)");
    REQUIRE_OK(config);
    CHECK(config->protection_of("plain") == Protection::end_to_end);
    CHECK(config->protection_of("good") == Protection::end_to_end);
    CHECK(config->protection_of("near") == Protection::transport);
    CHECK(config->protection_of("far") == Protection::transport);
    CHECK(config->protection_of("creds") == Protection::transport);
    CHECK(config->protection_of("nobody") == Protection::transport);
}

TEST_CASE("Vault's resources: the forms that there are", "[config][vault]") {
    struct Row {
        const char* text;
        VaultResource want;
    };
    const auto row = GENERATE(values<Row>({
        {"kv/db", {Kind::kv2, "kv", "db", "", {}, {}, "", ""}},
        {"vault://kv/a/b.c#pass", {Kind::kv2, "kv", "a/b.c", "pass", {}, {}, "", ""}},
        {"vault://kv/a#f?version=7", {Kind::kv2, "kv", "a", "f", {}, 7, "", ""}},
        {"kv/a%20b#f?encoding=b64&version=2",
         {Kind::kv2, "kv", "a%20b", "f", VaultResource::Encoding::base64, 2, "", ""}},
        {"vault+read://database/creds/app#password",
         {Kind::read, "database", "creds/app", "password", {}, {}, "", ""}},
        {"vault+transit://transit/k#vault:v1:YWJj+/==?context=YWI=",
         {Kind::transit, "transit", "k", "", {}, {}, "vault:v1:YWJj+/==", "YWI="}},
    }));
    CAPTURE(row.text);
    const auto resource = parse_vault_resource(row.text);
    REQUIRE_OK(resource);
    CHECK(*resource == row.want);
}

TEST_CASE("Vault's resources: what is none", "[config][vault]") {
    const std::string text = GENERATE(
        "", "kv", "/kv/a", "kv/", "kv//a", "kv/../sys", "kv/a/..", "kv/.", "kv/a b", "kv/a%2Fb",
        "kv/a%2fb", "kv/%2e%2e", "kv/a%", "kv/a%1f", "kv/a%00", "kv/a%zz", "kv/a#", "kv/a#f?",
        "kv/a#f?version=0", "kv/a#f?version=-1", "kv/a#f?version=x", "kv/a?version=1&version=2",
        "kv/a?encoding=b64", "kv/a#f?encoding=hex", "kv/a#f?x=1", "kv/a#f?version=1&",
        "vault+read://a/b?version=1", "vault+transit://t/k", "vault+transit://t/k#abc",
        "vault+transit://t/k/l#vault:v1:a", "vault+transit://t/k#vault:v1:a?context=!",
        "vault+other://a/b", "https://h/a", "kv/a\r\nb", "kv/a#f g");
    CAPTURE(text);
    REQUIRE_ERRC(Errc::bad_name, parse_vault_resource(text));
}

TEST_CASE("Vault's resources: lengths are bounded", "[config][vault]") {
    REQUIRE_ERRC(Errc::bad_name, parse_vault_resource("kv/" + std::string(1024, 'a')));
    REQUIRE_OK(parse_vault_resource("vault+transit://t/k#vault:v1:" + std::string(4096, 'a')));
    REQUIRE_ERRC(Errc::bad_name,
                 parse_vault_resource("vault+transit://t/k#vault:v1:" + std::string(65536, 'a')));
    std::string deep = "kv";
    for (int i = 0; i < 17; ++i) deep += "/a";
    REQUIRE_ERRC(Errc::bad_name, parse_vault_resource(deep));
}

}  // namespace attestd::config_test
