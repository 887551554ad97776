// Credentials: what an address may claim, which secret an id means, and who may claim it.
#include "agent/credential/address.h"

#include "agent/credential/credentials.h"
#include "tests/support/catch.h"

using namespace attestd;
using attestd::test::ContainsSubstring;

namespace {

using namespace std::string_literals;

Result<CredentialAddress> parsed(const std::string& sun_path) {
    return parse_credential_address(as_bytes(sun_path));
}

Caller systemd_for(std::string unit) {
    Caller caller{};
    caller.cgroup.unit = std::move(unit);
    return caller;
}

}  // namespace

TEST_CASE("credential: systemd's address names the unit and the credential",
          "[agent][credential]") {
    const auto plain = parsed(
        "\0"
        "45ba19f38db2188a/unit/app1.service/db"s);
    REQUIRE_OK(plain);
    CHECK(*plain == CredentialAddress{"app1.service", "db"});
    SECTION("of a template's instance as well") {
        const auto instance = parsed(
            "\0"
            "0/unit/app@in\\x2dst.service/db+key"s);
        REQUIRE_OK(instance);
        CHECK(*instance == CredentialAddress{"app@in\\x2dst.service", "db+key"});
    }
    SECTION("and its number has no leading zeros") {
        REQUIRE_OK(
            parsed("\0"
                   "5ba19f38db2188a/unit/a.service/b"s));
    }
}

TEST_CASE("credential: any other address is refused", "[agent][credential]") {
    struct Row {
        const char* what;
        std::string sun_path;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"none", "", "not the abstract one"},
        {"a path", "/run/45ba19f38db2188a/unit/a.service/b", "not the abstract one"},
        {"empty name", "\0"s, "lacks /unit/"},
        {"no number", "\0/unit/a.service/b"s, "hexadecimal number"},
        {"upper case",
         "\0"
         "45BA19F38DB2188A/unit/a.service/b"s,
         "hexadecimal number"},
        {"17 digits",
         "\0"
         "145ba19f38db2188a/unit/a.service/b"s,
         "hexadecimal number"},
        {"another word",
         "\0"
         "45ba19f38db2188a/slot/a.service/b"s,
         "lacks /unit/"},
        {"no id",
         "\0"
         "45ba19f38db2188a/unit/a.service"s,
         "lacks the credential's id"},
        {"empty unit",
         "\0"
         "45ba19f38db2188a/unit//b"s,
         "does not name a unit"},
        {"empty id",
         "\0"
         "45ba19f38db2188a/unit/a.service/"s,
         "does not name a credential"},
        {"a path as id",
         "\0"
         "45ba19f38db2188a/unit/a.service/b/c"s,
         "does not name a credential"},
        {"NUL within",
         "\0"
         "45ba19f38db2188a/unit/a.ser\0vice/b"s,
         "does not name a unit"},
        {"line end within",
         "\0"
         "45ba19f38db2188a/unit/a.service/b\n"s,
         "does not name a credential"},
    }));
    INFO(row.what);
    const auto refused = parsed(row.sun_path);
    REQUIRE_ERRC(Errc::credential_refused, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("credential: an id means a secret, with + for /", "[agent][credential]") {
    const auto name = secret_of_credential("db+pass-word.1");
    REQUIRE_OK(name);
    CHECK(*name == "db/pass-word.1");
    for (const char* const bad : {"", "+a", "a+", "a++b", "..", "a+..+b", "a b", "a:b"}) {
        INFO(bad);
        REQUIRE_ERRC(Errc::credential_refused, secret_of_credential(bad));
    }
}

TEST_CASE("credential: only root in the very unit that is claimed is systemd",
          "[agent][credential]") {
    const CredentialAddress claim{"app.service", "db"};
    REQUIRE_OK(check_credential_peer(systemd_for("app.service"), claim));
    struct Row {
        const char* what;
        Caller caller;
        const char* says;
    };
    Caller user = systemd_for("app.service");
    user.peer.uid = 1000;
    const Row rows[] = {
        {"a user in the unit", user, "uid 1000 is not systemd"},
        {"root in another unit", systemd_for("other.service"), "the cgroup other.service"},
        {"another instance", systemd_for("app@1.service"), "the cgroup app@1.service"},
        {"root in no unit", systemd_for(""), "no unit's cgroup"},
    };
    for (const Row& row : rows) {
        INFO(row.what);
        const auto refused = check_credential_peer(row.caller, claim);
        REQUIRE_ERRC(Errc::credential_refused, refused);
        CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
    }
}

TEST_CASE("credential: systemd that asks for a unit matches by unit, slice and socket alone",
          "[agent][credential][match]") {
    Caller caller = systemd_for("app.service");
    caller.groups = {7};
    caller.cgroup.slices = {"system.slice"};
    caller.socket = "credentials";
    caller.label = "systemd";
    MatchItem by_unit;
    by_unit.unit = UnitPattern{"app.service", "", false};
    Workload workload{"app", {by_unit}, /*allow_root=*/false, /*raw_evidence=*/false};
    CHECK_FALSE(matches(workload, caller));  // root is nobody as long as nothing else is known
    caller.for_unit = true;
    CHECK(matches(workload, caller));
    using Set = void (*)(MatchItem&);
    SECTION("also by") {
        const auto set = GENERATE(values<Set>({
            [](MatchItem& i) { i.slice = "system.slice"; },
            [](MatchItem& i) { i.socket = "credentials"; },
        }));
        set(workload.match[0]);
        CHECK(matches(workload, caller));
    }
    SECTION("systemd's own uid, gid, groups and label are not the unit's") {
        const auto set = GENERATE(values<Set>({
            [](MatchItem& i) { i.uid = 0; },
            [](MatchItem& i) { i.gid = 0; },
            [](MatchItem& i) { i.group_id = 7; },
            [](MatchItem& i) { i.selinux = "systemd"; },
        }));
        workload.allow_root = true;
        set(workload.match[0]);
        CHECK_FALSE(matches(workload, caller));
    }
}
