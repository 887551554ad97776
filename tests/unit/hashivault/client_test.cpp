// The client of Vault as a machine of states: when it logs in, renews, gives up, and says goodbye.
#include "agent/hashivault/client.h"

#include "tests/unit/hashivault/scripted_vault.h"

namespace attestd::hashivault::client_test {

using namespace std::chrono_literals;

TEST_CASE("Vault client: one login serves many reads", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    for (int i = 0; i < 3; ++i) {
        const auto value = client.read(kKv);
        REQUIRE_OK(value);
        CHECK(is_text(value->secret, "secret"));
        CHECK(value->version == 4U);
    }
    CHECK(setting.vault->calls ==
          Calls{"login jwt1", "GET kv/data/db t1", "GET kv/data/db t1", "GET kv/data/db t1"});
    CHECK(client.expires() == *setting.boot + 300s);
    CHECK(client.counters().num_logins == 1);
}

TEST_CASE("Vault client: namespace, headers, and a body that cannot be broken out of",
          "[hashivault]") {
    const Setting setting;
    HashiVaultSourceConfig config = setting.config();
    config.name_space = "a/b";
    config.role = "r\"ole";
    config.auth_mount = "team/jwt";
    Client client(config, setting.vault, setting.tokens, setting.clocks());
    REQUIRE_OK(client.read(kKv));
    const auto& requests = setting.vault->requests;
    using Headers = std::vector<std::pair<std::string, std::string>>;
    const Headers plain{{"X-Vault-Request", "true"}, {"X-Vault-Namespace", "a/b/"}};
    CHECK(requests[0].url == "https://vault.example:8200/v1/auth/team/jwt/login");
    CHECK(requests[0].headers == plain);
    CHECK(as_text(requests[0].body) == R"({"role":"r\"ole","jwt":"jwt1"})");
    CHECK(requests[1].headers.back() == std::pair<std::string, std::string>("X-Vault-Token", "t1"));
    setting.tokens->any = setting.tokens->fresh = "a\"b";
    client.forget();
    REQUIRE_ERRC(Errc::identity_unavailable, client.read(kKv));
}

TEST_CASE("Vault client: a version, a plain path and a ciphertext", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    VaultResource versioned = kKv;
    versioned.version = 4;
    REQUIRE_OK(client.read(versioned));
    const auto creds = client.read(kCreds);
    REQUIRE_OK(creds);
    CHECK(creds->lease.value().id == "L1");
    const VaultResource transit{
        VaultResource::Kind::transit, "transit", "k", "", {}, {}, "vault:v1:x", "YQ=="};
    const auto plain = client.read(transit);
    REQUIRE_OK(plain);
    CHECK(is_text(plain->secret, "abc"));
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET kv/data/db?version=4 t1",
                                        "GET database/creds/x t1", "POST transit/decrypt/k t1"});
    CHECK(as_text(setting.vault->requests[3].body) ==
          R"({"ciphertext":"vault:v1:x","context":"YQ=="})");
}

TEST_CASE("Vault client: a refused attestation token is not shown again", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    setting.vault->next = {ScriptedVault::error(400, "error validating token: expired")};
    REQUIRE_OK(client.read(kKv));
    CHECK(setting.vault->calls == Calls{"login jwt1", "login jwt2", "GET kv/data/db t1"});

    SECTION("where there is no other") {
        client.forget();
        setting.vault->calls.clear();
        setting.tokens->fresh = "jwt1";
        setting.vault->next = {ScriptedVault::error(400)};
        REQUIRE_ERRC(Errc::vault_unauthorized, client.read(kKv));
        CHECK(setting.vault->calls == Calls{"login jwt1"});
        CHECK(client.next_try().has_value());
        REQUIRE_ERRC(Errc::vault_unauthorized, client.read(kKv));
        setting.pass(10s);
        REQUIRE_ERRC(Errc::vault_unauthorized, client.read(kKv));
        CHECK(setting.vault->calls == Calls{"login jwt1"});
    }
    SECTION("where the other is refused too") {
        client.forget();
        setting.vault->calls.clear();
        setting.vault->next = {ScriptedVault::error(400), ScriptedVault::error(403)};
        REQUIRE_ERRC(Errc::vault_unauthorized, client.read(kKv));
        CHECK(setting.vault->calls == Calls{"login jwt1", "login jwt2"});
        CHECK_FALSE(client.expires().has_value());
    }
}

TEST_CASE("Vault client: nobody who gives a token", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    setting.tokens->error = Error{Errc::identity_unavailable, "x"};
    REQUIRE_ERRC(Errc::identity_unavailable, client.read(kKv));
    CHECK(setting.vault->calls.empty());
    CHECK(client.next_try().has_value());
}

TEST_CASE("Vault client: 403 brings about one new login, and not another for a while",
          "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    REQUIRE_OK(client.read(kKv));
    setting.vault->calls.clear();
    setting.vault->next = {ScriptedVault::error(403)};
    REQUIRE_OK(client.read(kKv));
    CHECK(setting.vault->calls == Calls{"GET kv/data/db t1", "login jwt1", "GET kv/data/db t2"});
    setting.vault->calls.clear();
    setting.vault->next = {ScriptedVault::error(403)};
    REQUIRE_ERRC(Errc::vault_denied, client.read(kKv));
    CHECK(setting.vault->calls == Calls{"GET kv/data/db t2"});
    setting.pass(61s);
    setting.vault->calls.clear();
    setting.vault->next = {ScriptedVault::error(403), ScriptedVault::pass(),
                           ScriptedVault::error(403)};
    REQUIRE_ERRC(Errc::vault_denied, client.read(kKv));
    CHECK(setting.vault->calls.size() == 3);
    REQUIRE_OK(client.read(kKv));  // another resource may be allowed
}

TEST_CASE("Vault client: an outage is asked thrice, and then left alone", "[hashivault]") {
    struct Row {
        Result<FetchResponse> answer;
        Errc want;
        std::size_t num_calls;
    };
    FetchResponse slow = ScriptedVault::error(429);
    slow.headers.emplace_back("retry-after", "100");
    const auto row = GENERATE_COPY(values<Row>({
        {ScriptedVault::error(503, "Vault is sealed"), Errc::vault_sealed, 3},
        {ScriptedVault::error(500), Errc::vault_unavailable, 3},
        {ScriptedVault::error(412), Errc::vault_unavailable, 3},
        {slow, Errc::vault_throttled, 1},
        {fail(Errc::fetch_unreachable, "x"), Errc::fetch_unreachable, 3},
        {fail(Errc::fetch_tls, "x"), Errc::fetch_tls, 1},
        {fail(Errc::fetch_redirected, "x"), Errc::fetch_redirected, 1},
    }));
    const Setting setting;
    Client client = setting.client();
    setting.vault->next.assign(3, row.answer);
    REQUIRE_ERRC(row.want, client.read(kKv));
    CHECK(setting.vault->calls.size() == row.num_calls);
    REQUIRE_ERRC(row.want, client.read(kKv));
    CHECK(setting.vault->calls.size() == row.num_calls);
    REQUIRE(client.next_try().has_value());
    if (row.want == Errc::vault_throttled) CHECK(*client.next_try() >= *setting.boot + 100s);
    setting.vault->next.clear();
    setting.pass(101s);
    REQUIRE_OK(client.read(kKv));
    CHECK_FALSE(client.next_try().has_value());
}

TEST_CASE("Vault client: the token is renewed at two thirds of its life", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    CHECK_FALSE(client.upkeep_at().has_value());
    REQUIRE_OK(client.upkeep());
    REQUIRE_OK(client.read(kKv));
    REQUIRE(client.upkeep_at().has_value());
    CHECK(*client.upkeep_at() >= *setting.boot + 180s);
    CHECK(*client.upkeep_at() <= *setting.boot + 220s);
    REQUIRE_OK(client.upkeep());
    CHECK(setting.vault->calls.size() == 2);
    setting.pass(221s);
    setting.vault->calls.clear();
    REQUIRE_OK(client.upkeep());
    CHECK(setting.vault->calls == Calls{"POST auth/token/renew-self t1"});
    CHECK(as_text(setting.vault->requests.back().body) == R"({"increment":"300s"})");
    CHECK(client.expires() == *setting.boot + 300s);
    CHECK(client.counters().num_renewed == 1);
}

TEST_CASE("Vault client: what cannot be renewed is followed by a new login", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    SECTION("renewal refused") {
        REQUIRE_OK(client.read(kKv));
        setting.vault->next = {ScriptedVault::error(403, "permission denied")};
        setting.pass(221s);
        setting.vault->calls.clear();
        REQUIRE_OK(client.upkeep());
        CHECK(setting.vault->calls == Calls{"POST auth/token/renew-self t1", "login jwt1"});
    }
    SECTION("not renewable") {
        setting.vault->renewable = false;
        REQUIRE_OK(client.read(kKv));
        setting.pass(221s);
        setting.vault->calls.clear();
        REQUIRE_OK(client.upkeep());
        CHECK(setting.vault->calls == Calls{"login jwt1"});
    }
    SECTION("near the most that it may live") {
        setting.vault->renewed_lease = 90;
        REQUIRE_OK(client.read(kKv));
        setting.pass(221s);
        REQUIRE_OK(client.upkeep());
        CHECK(client.expires() == *setting.boot + 90s);
        setting.pass(70s);
        setting.vault->calls.clear();
        REQUIRE_OK(client.upkeep());
        CHECK(setting.vault->calls == Calls{"login jwt1"});
    }
    SECTION("the new login refused, too: nothing is left, and Vault is left alone") {
        REQUIRE_OK(client.read(kKv));
        setting.vault->next.assign(3, ScriptedVault::error(403, "permission denied"));
        setting.pass(221s);
        REQUIRE_ERRC(Errc::vault_unauthorized, client.upkeep());
        CHECK_FALSE(client.expires().has_value());
        CHECK(client.next_try().has_value());
    }
    CHECK(client.counters().num_logins <= 2);
}

TEST_CASE("Vault client: an outage at the renewal costs nothing before the token's end",
          "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    REQUIRE_OK(client.read(kKv));
    setting.vault->next = {ScriptedVault::error(503)};
    setting.pass(221s);
    REQUIRE_ERRC(Errc::vault_sealed, client.upkeep());
    CHECK(*client.upkeep_at() >= *setting.boot + 5s);
    REQUIRE_OK(client.read(kKv));
    setting.pass(80s);  // beyond its end
    setting.vault->calls.clear();
    REQUIRE_OK(client.read(kKv));
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET kv/data/db t2"});
}

TEST_CASE("Vault client: a token of few uses is counted, and not spent on renewals",
          "[hashivault]") {
    const Setting setting;
    setting.vault->num_uses = 2;
    Client client = setting.client();
    for (int i = 0; i < 3; ++i) REQUIRE_OK(client.read(kKv));
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET kv/data/db t1", "GET kv/data/db t1",
                                        "login jwt1", "GET kv/data/db t2"});
    CHECK_FALSE(client.upkeep_at().has_value());
}

TEST_CASE("Vault client: a token without an end serves for a day", "[hashivault]") {
    const Setting setting;
    setting.vault->lease = 0;
    Client client = setting.client();
    REQUIRE_OK(client.read(kKv));
    CHECK(client.expires() == *setting.boot + 24h);
}

TEST_CASE("Vault client: what is forgotten is revoked, once", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    client.forget();
    CHECK(setting.vault->calls.empty());
    REQUIRE_OK(client.read(kKv));
    setting.vault->calls.clear();
    client.forget();
    client.forget();
    CHECK(setting.vault->calls == Calls{"POST auth/token/revoke-self t1"});
    CHECK(client.counters().num_revoked == 1);
    CHECK_FALSE(client.expires().has_value());
    SECTION("and is forgotten though Vault is away") {
        REQUIRE_OK(client.read(kKv));
        setting.vault->next = {fail(Errc::fetch_unreachable, "x")};
        client.forget();
        CHECK_FALSE(client.expires().has_value());
        CHECK(client.counters().num_revoked == 1);
    }
}

}  // namespace attestd::hashivault::client_test
