// Vault as a source: versions, leases, and what is not asked twice.
#include "agent/hashivault/source.h"

#include "tests/unit/hashivault/scripted_vault.h"

namespace attestd::hashivault::source_test {
namespace {

using namespace std::chrono_literals;

const std::string kDb = "vault://kv/db#p";
const std::string kLeased = "vault+read://database/creds/x#p";

std::shared_ptr<HashiVaultSource> source_of(const Setting& setting) {
    auto made =
        HashiVaultSource::make(setting.config(), setting.vault, setting.tokens, setting.clocks());
    REQUIRE_OK(made);
    return *made;
}
std::uint64_t count_of(const RemoteStatus& status, std::string_view name) {
    for (const RemoteCount& count : status.counts) {
        if (count.name == name) return count.value;
    }
    return 999;
}

}  // namespace

TEST_CASE("Vault source: KV's version, and the login's end", "[hashivault]") {
    const Setting setting;
    const auto source = source_of(setting);
    const auto secret = source->get_resource(kDb);
    REQUIRE_OK(secret);
    CHECK(secret->version == 4);
    CHECK(secret->expires == *setting.boot + 300s);
    REQUIRE_ERRC(Errc::bad_name, source->get_resource("../x"));
    const RemoteStatus status = source->status();
    CHECK(status.login_expires == *setting.boot + 300s);
    CHECK(count_of(status, "logins") == 1);
    CHECK_FALSE(status.lease_expires.has_value());
}

TEST_CASE("Vault source: a refusal is remembered for five seconds", "[hashivault]") {
    const Setting setting;
    const auto source = source_of(setting);
    setting.vault->next = {ScriptedVault::pass(), ScriptedVault::error(404)};
    REQUIRE_ERRC(Errc::vault_missing, source->get_resource(kDb));
    REQUIRE_ERRC(Errc::vault_missing, source->get_resource(kDb));
    CHECK(setting.vault->calls.size() == 2);
    setting.pass(5s);
    REQUIRE_OK(source->get_resource(kDb));
    CHECK(setting.vault->calls.size() == 3);
}

TEST_CASE("Vault source: a lease is shared, renewed at two thirds, and read anew at its end",
          "[hashivault]") {
    const Setting setting;
    const auto source = source_of(setting);
    const auto first = source->get_resource(kLeased);
    REQUIRE_OK(first);
    CHECK(first->expires == *setting.boot + 60s);
    CHECK(source->status().lease_expires == *setting.boot + 60s);
    CHECK(*source->status().upkeep_at <= *setting.boot + 44s);
    const auto again = source->get_resource(kLeased);
    REQUIRE_OK(again);
    CHECK(again->value == first->value);
    CHECK(setting.vault->calls.size() == 2);

    setting.pass(45s);
    REQUIRE_OK(source->upkeep());
    CHECK(setting.vault->calls.back() == "POST sys/leases/renew t1");
    setting.vault->value = "changed";
    setting.pass(30s);  // beyond the first end
    const auto renewed = source->get_resource(kLeased);
    REQUIRE_OK(renewed);
    CHECK(renewed->value == first->value);
    CHECK(renewed->version == first->version);

    setting.pass(15s);
    setting.vault->next = {ScriptedVault::error(400, "lease not found")};
    REQUIRE_OK(source->upkeep());
    const auto calls = setting.vault->calls.size();
    REQUIRE_OK(source->upkeep());  // it is not asked for again
    CHECK(setting.vault->calls.size() == calls);
    setting.pass(20s);
    const auto other = source->get_resource(kLeased);
    REQUIRE_OK(other);
    CHECK(is_text(*other->value, "changed"));
    CHECK(other->version > first->version);
}

TEST_CASE("Vault source: no lease outlives its login", "[hashivault]") {
    const Setting setting;
    setting.vault->lease = 30;
    const auto source = source_of(setting);
    const auto secret = source->get_resource(kLeased);
    REQUIRE_OK(secret);
    CHECK(secret->expires == *setting.boot + 30s);
    setting.pass(31s);
    REQUIRE_OK(source->get_resource(kLeased));
    CHECK(setting.vault->calls ==
          Calls{"login jwt1", "GET database/creds/x t1", "login jwt1", "GET database/creds/x t2"});
}

TEST_CASE("Vault source: a lease of an earlier login ends with that one", "[hashivault]") {
    const Setting setting;
    setting.vault->lease = 50;
    setting.vault->renewable = false;
    const auto source = source_of(setting);
    REQUIRE_OK(source->get_resource(kLeased));
    setting.pass(37s);
    REQUIRE_OK(source->upkeep());  // another login, and no renewal of the first one's lease
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET database/creds/x t1", "login jwt1"});
    CHECK(source->get_resource(kLeased)->expires == *setting.boot + 13s);
    setting.pass(13s);
    REQUIRE_OK(source->get_resource(kLeased));
    CHECK(setting.vault->calls.back() == "GET database/creds/x t2");
}

TEST_CASE("Vault source: what is forgotten is read again", "[hashivault]") {
    const Setting setting;
    const auto source = source_of(setting);
    REQUIRE_OK(source->get_resource(kLeased));
    source->forget();
    CHECK_FALSE(source->status().login_expires.has_value());
    CHECK_FALSE(source->status().lease_expires.has_value());
    REQUIRE_OK(source->get_resource(kLeased));
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET database/creds/x t1",
                                        "POST auth/token/revoke-self t1", "login jwt1",
                                        "GET database/creds/x t2"});
}

}  // namespace attestd::hashivault::source_test
