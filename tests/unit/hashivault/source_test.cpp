// Vault as a source: versions, leases, and what is not asked twice.
#include "agent/hashivault/source.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temp_dir.h"
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
std::size_t count_in(const std::string& text, std::string_view what) {
    std::size_t n = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++n;
    return n;
}
// What goes to standard error while it lives, which is where the log goes.
class CapturedLog {
 public:
    CapturedLog() : before_(::dup(STDERR_FILENO)) {
        const Fd file(::open(path().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        ::dup2(file.get(), STDERR_FILENO);
    }
    ~CapturedLog() { ::dup2(before_.get(), STDERR_FILENO); }
    CapturedLog(const CapturedLog&) = delete;
    CapturedLog& operator=(const CapturedLog&) = delete;
    std::string text() const {
        std::ifstream in(path());
        return {std::istreambuf_iterator<char>(in), {}};
    }

 private:
    std::filesystem::path path() const { return dir_ / "log"; }
    test::TempDir dir_;
    Fd before_;
};
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
    CHECK(*again->value == *first->value);
    CHECK(setting.vault->calls.size() == 2);

    setting.pass(45s);
    REQUIRE_OK(source->upkeep());
    CHECK(setting.vault->calls.back() == "POST sys/leases/renew t1");
    setting.vault->value = "changed";
    setting.pass(30s);  // beyond the first end
    const auto renewed = source->get_resource(kLeased);
    REQUIRE_OK(renewed);
    CHECK(*renewed->value == *first->value);
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
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET database/creds/x t1", "login jwt2"});
    CHECK(source->get_resource(kLeased)->expires == *setting.boot + 13s);
    setting.pass(13s);
    REQUIRE_OK(source->get_resource(kLeased));
    CHECK(setting.vault->calls.back() == "GET database/creds/x t2");
}

TEST_CASE("Vault source: the fields of one answer under a lease are of one read", "[hashivault]") {
    const std::string user = "vault+read://database/creds/x#u";
    const Setting setting;
    const auto source = source_of(setting);
    const auto first = source->get_resource(kLeased);
    REQUIRE_OK(first);
    setting.vault->value = "of another read";
    const auto second = source->get_resource(user);
    REQUIRE_OK(second);
    CHECK(is_text(*first->value, "secret"));
    CHECK(is_text(*second->value, "user"));
    CHECK(second->expires == first->expires);
    REQUIRE_OK(source->get_resource("vault+read://database/creds/x"));
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET database/creds/x t1"});
}

TEST_CASE("Vault source: a lease is held whatever comes of cutting a field out of it",
          "[hashivault]") {
    const std::string field = GENERATE("absent", "n", "p?encoding=b64");
    const Setting setting;
    const auto source = source_of(setting);
    const std::string resource = "vault+read://database/creds/x#" + field;
    REQUIRE_ERRC(Errc::vault_field, source->get_resource(resource));
    for (int i = 0; i < 5; ++i) {
        setting.pass(6s);
        REQUIRE_ERRC(Errc::vault_field, source->get_resource(resource));
    }
    REQUIRE_OK(source->get_resource(kLeased));
    CHECK(source->status().lease_expires.has_value());
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET database/creds/x t1"});
}

TEST_CASE("Vault source: a denied path costs no lease of the others", "[hashivault]") {
    const Setting setting;
    const auto source = source_of(setting);
    const auto leased = source->get_resource(kLeased);
    REQUIRE_OK(leased);
    setting.vault->next = {ScriptedVault::error(403), ScriptedVault::pass(),
                           ScriptedVault::error(403)};
    REQUIRE_ERRC(Errc::vault_denied, source->get_resource(kDb));
    CHECK(source->get_resource(kLeased)->expires == leased->expires);
    setting.pass(45s);
    REQUIRE_OK(source->upkeep());
    CHECK(setting.vault->calls.back() == "POST sys/leases/renew t1");
}

TEST_CASE("Vault source: with the last use of its token a lease is over", "[hashivault]") {
    const Setting setting;
    setting.vault->num_uses = 2;
    const auto source = source_of(setting);
    REQUIRE_OK(source->get_resource(kLeased));
    REQUIRE_OK(source->get_resource(kDb));
    CHECK(source->status().lease_expires < *setting.boot);
    REQUIRE_OK(source->get_resource(kLeased));
    CHECK(setting.vault->calls == Calls{"login jwt1", "GET database/creds/x t1",
                                        "GET kv/data/db t1", "login jwt1",
                                        "GET database/creds/x t2"});
    SECTION("also one that comes with that use") {
        source->forget();
        setting.vault->num_uses = 1;
        REQUIRE_ERRC(Errc::vault_refused, source->get_resource(kLeased));
    }
}

TEST_CASE("Vault source: one renewal that is not answered ends the pass", "[hashivault]") {
    const Setting setting;
    const auto source = source_of(setting);
    for (const char* const path : {"x", "y", "z"})
        REQUIRE_OK(source->get_resource("vault+read://database/creds/" + std::string(path) + "#p"));
    setting.pass(45s);
    const auto calls = setting.vault->calls.size();
    setting.vault->next.assign(3, fail(Errc::fetch_timed_out, "x"));
    REQUIRE_OK(source->upkeep());
    CHECK(setting.vault->calls.size() == calls + 1);
    CHECK(source->status().upkeep_at == *setting.boot + 5s);
    REQUIRE_OK(source->upkeep());
    CHECK(setting.vault->calls.size() == calls + 1);
    setting.vault->next.clear();
    setting.pass(5s);
    REQUIRE_OK(source->upkeep());
    CHECK(setting.vault->calls.size() == calls + 4);
}

TEST_CASE("Vault source: what goes on failing is logged once, beside what does not",
          "[hashivault]") {
    const Setting setting;
    const auto source = source_of(setting);
    const auto fails = [&] {
        setting.vault->next = {ScriptedVault::error(404)};
        REQUIRE_ERRC(Errc::vault_missing, source->get_resource("vault://kv/none#p"));
    };
    REQUIRE_OK(source->get_resource(kDb));
    const CapturedLog log;
    for (int i = 0; i < 3; ++i) {
        fails();
        REQUIRE_OK(source->get_resource(kDb));
        setting.pass(6s);
    }
    CHECK(count_in(log.text(), "vault.failed") == 1);
    REQUIRE_OK(source->get_resource("vault://kv/none#p"));
    fails();
    CHECK(count_in(log.text(), "vault.failed") == 2);
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
