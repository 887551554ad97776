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
    CHECK(client.counters().num_logins == 3);
    REQUIRE_OK(client.read(kKv));  // another resource may be allowed
}

TEST_CASE("Vault client: a login stays when another one is of no more use", "[hashivault]") {
    const Setting setting;
    Client client = setting.client();
    REQUIRE_OK(client.read(kKv));
    const auto generation = client.generation();
    const auto expires = client.expires();
    const auto denied_again = [&] {
        setting.vault->calls.clear();
        setting.vault->next = {ScriptedVault::error(403), ScriptedVault::pass(),
                               ScriptedVault::error(403)};
        REQUIRE_ERRC(Errc::vault_denied, client.read(kKv));
    };
    SECTION("because Vault still knows its token: the other one is revoked") {
        denied_again();
        CHECK(setting.vault->calls == Calls{"GET kv/data/db t1", "login jwt1", "GET kv/data/db t2",
                                            "GET auth/token/lookup-self t1",
                                            "POST auth/token/revoke-self t2"});
        CHECK(client.generation() == generation);
        CHECK(client.expires() == expires);
        CHECK(client.counters().num_revoked == 1);
        REQUIRE_OK(client.read(kCreds));
        CHECK(setting.vault->calls.back() == "GET database/creds/x t1");

        // The same path brings about another login ever more seldom.
        setting.pass(61s);
        denied_again();
        CHECK(client.counters().num_logins == 3);
        setting.pass(61s);
        denied_again();
        CHECK(client.counters().num_logins == 3);
        setting.pass(61s);
        denied_again();
        CHECK(client.counters().num_logins == 4);
    }
    SECTION("but not when Vault does not know its token any more") {
        setting.vault->next = {ScriptedVault::error(403), ScriptedVault::pass(),
                               ScriptedVault::error(403), ScriptedVault::error(403)};
        REQUIRE_ERRC(Errc::vault_denied, client.read(kKv));
        CHECK(client.generation() != generation);
        REQUIRE_OK(client.read(kCreds));
        CHECK(setting.vault->calls.back() == "GET database/creds/x t2");
    }
    SECTION("because Vault gives none") {
        setting.vault->next = {ScriptedVault::error(403), ScriptedVault::error(500)};
        REQUIRE_ERRC(Errc::vault_denied, client.read(kKv));
    }
    SECTION("because Vault refuses the attestation token") {
        setting.vault->next = {ScriptedVault::error(403), ScriptedVault::error(400),
                               ScriptedVault::error(400)};
        REQUIRE_ERRC(Errc::vault_denied, client.read(kKv));
    }
    SECTION("because nobody gives an attestation token") {
        setting.tokens->error = Error{Errc::identity_unavailable, "expired"};
        setting.vault->next = {ScriptedVault::error(403)};
        REQUIRE_ERRC(Errc::vault_denied, client.read(kKv));
    }
    CHECK_FALSE(client.next_try().has_value());
    REQUIRE_OK(client.read(kCreds));
}

TEST_CASE("Vault client: what fails at one path is left alone by itself", "[hashivault]") {
    struct Row {
        Result<FetchResponse> answer;
        Errc want;
        std::size_t num_calls;
        bool is_of_all;
    };
    FetchResponse slow = ScriptedVault::error(429);
    slow.headers.emplace_back("retry-after", "100");
    const auto row = GENERATE_COPY(values<Row>({
        {ScriptedVault::error(500), Errc::vault_unavailable, 3, false},
        {ScriptedVault::error(502), Errc::vault_unavailable, 3, false},
        {ScriptedVault::error(412), Errc::vault_unavailable, 3, false},
        {slow, Errc::vault_throttled, 1, false},
        {ScriptedVault::error(503), Errc::vault_sealed, 3, true},
        {fail(Errc::fetch_unreachable, "x"), Errc::fetch_unreachable, 3, true},
    }));
    const Setting setting;
    Client client = setting.client();
    REQUIRE_OK(client.read(kKv));
    setting.vault->calls.clear();
    setting.vault->next.assign(row.num_calls, row.answer);
    REQUIRE_ERRC(row.want, client.read(kCreds));
    CHECK(setting.vault->calls.size() == row.num_calls);
    REQUIRE_ERRC(row.want, client.read(kCreds));
    CHECK(setting.vault->calls.size() == row.num_calls);
    CHECK(client.next_try().has_value() == row.is_of_all);
    if (row.is_of_all)
        REQUIRE_ERRC(row.want, client.read(kKv));
    else
        REQUIRE_OK(client.read(kKv));
    setting.pass(101s);
    REQUIRE_OK(client.read(kCreds));
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
        CHECK(setting.vault->calls == Calls{"POST auth/token/renew-self t1", "login jwt2"});
    }
    SECTION("not renewable") {
        setting.vault->renewable = false;
        REQUIRE_OK(client.read(kKv));
        setting.pass(221s);
        setting.vault->calls.clear();
        REQUIRE_OK(client.upkeep());
        CHECK(setting.vault->calls == Calls{"login jwt2"});
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
        CHECK(setting.vault->calls == Calls{"login jwt2"});
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

TEST_CASE("Vault client: a login that cannot be followed by another serves until its end",
          "[hashivault]") {
    const Setting setting;
    setting.vault->renewable = false;
    Client client = setting.client();
    REQUIRE_OK(client.read(kKv));
    setting.pass(221s);
    SECTION("Vault is away") {
        setting.vault->next = {ScriptedVault::error(503)};
        REQUIRE_ERRC(Errc::vault_sealed, client.upkeep());
    }
    SECTION("Vault refuses the attestation token") {
        setting.vault->next = {ScriptedVault::error(403)};
        REQUIRE_ERRC(Errc::vault_unauthorized, client.upkeep());
    }
    SECTION("nobody gives an attestation token") {
        setting.tokens->error = Error{Errc::identity_unavailable, "expired"};
        REQUIRE_ERRC(Errc::identity_unavailable, client.upkeep());
        setting.tokens->error.reset();
    }
    CHECK(*client.upkeep_at() >= *setting.boot + 5s);
    CHECK(*client.upkeep_at() < *client.expires());
    CHECK_FALSE(client.next_try().has_value());
    setting.vault->calls.clear();
    REQUIRE_OK(client.read(kKv));
    CHECK(setting.vault->calls == Calls{"GET kv/data/db t1"});
    setting.tokens->fresh = "jwt3";
    setting.pass(20s);
    REQUIRE_OK(client.upkeep());
    CHECK(setting.vault->calls.back() == "login jwt3");
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
    CHECK(client.end_of_login(client.generation()) > *setting.boot);
    CHECK(client.end_of_login(client.generation() - 1) < *setting.boot);
    REQUIRE_OK(client.read(kKv));
    CHECK(client.end_of_login(client.generation()) < *setting.boot);  // its last use
}

TEST_CASE("Vault client: a mebibyte in base64 takes less than three of the memory for secrets",
          "[hashivault]") {
    constexpr std::size_t kMebibyte = 1 << 20;
    const Setting setting;
    Client client = setting.client();
    REQUIRE_OK(client.read(kKv));
    std::string text;
    while (text.size() < kMebibyte / 3 * 4) text += "QUFB";
    setting.vault->value = text;
    VaultResource resource = kKv;
    resource.encoding = VaultResource::Encoding::base64;
    const auto others = Secret::zeroed(kMebibyte + 65536);
    REQUIRE_OK(others);
    {
        const auto value = client.read(resource);
        REQUIRE_OK(value);
        CHECK(value->secret.size() == text.size() / 4 * 3);
    }
    setting.vault->next = {ScriptedVault::json(R"({"data":{"plaintext":")" + text + "\"}}")};
    const VaultResource transit{
        VaultResource::Kind::transit, "transit", "k", "", {}, {}, "vault:v1:x", ""};
    REQUIRE_OK(client.read(transit));
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
    SECTION("with what an earlier login was given, which lasts") {
        REQUIRE_OK(client.read(kKv));
        setting.vault->next = {ScriptedVault::error(403)};
        REQUIRE_OK(client.read(kKv));
        setting.vault->calls.clear();
        client.forget();
        CHECK(setting.vault->calls ==
              Calls{"POST auth/token/revoke-self t3", "POST auth/token/revoke-self t2"});
        CHECK(setting.vault->requests.back().at_stop == AtStop::go_on);
    }
    SECTION("but for what is over") {
        REQUIRE_OK(client.read(kKv));
        setting.pass(301s);
        setting.vault->calls.clear();
        client.forget();
        CHECK(setting.vault->calls.empty());
    }
    SECTION("and is forgotten though Vault is away") {
        REQUIRE_OK(client.read(kKv));
        setting.vault->next = {fail(Errc::fetch_unreachable, "x")};
        client.forget();
        CHECK_FALSE(client.expires().has_value());
        CHECK(client.counters().num_revoked == 1);
    }
}

}  // namespace attestd::hashivault::client_test
