// What is told about a judgement: selectors, the nearest rule, facts of a pid, and what would
// change.
#include "agent/release/explain.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/release/difference.h"
#include "agent/release/process_facts.h"
#include "tests/support/catch.h"
#include "verifier/internal/result_builder.h"

using namespace attestd;
using namespace std::chrono_literals;
using nlohmann::ordered_json;

namespace explain_test {
namespace {

constexpr BootTime kNow{1000s};

std::optional<Affirmation> session() {
    SnpReport report{};
    report.version = 3;
    report.vmpl = 1;
    ResultBuilder builder(Tee::snp, "test", Time(1000s), Sha256{});
    builder.grade(Grade::production);
    builder.claims(report);
    const AttestationResult result = std::move(builder).finish_verified(Time(2000s));
    return Affirmation{result.affirming().value(), 3, kNow + 60s, kNow - 30s, "local"};
}

Caller caller_of(uid_t uid, std::string unit = {}) {
    Caller out;
    out.peer = {77, uid, 100};
    out.groups = {20, 21};
    out.label = "prof (enforce)";
    out.cgroup.unit = std::move(unit);
    out.cgroup.slices = {"system.slice", "a.slice"};
    out.cgroup.container_id = std::string(64, 'c');
    out.cgroup.pod_uid = "pod";
    out.socket = "app";
    return out;
}

MatchItem rule_of(uid_t uid, std::string unit = {}) {
    MatchItem out;
    out.uid = uid;
    if (!unit.empty()) out.unit = UnitPattern{std::move(unit), "", false};
    return out;
}

SecretPolicy secret_for(std::string name, std::vector<std::string> allow,
                        std::vector<std::string> deny = {}) {
    SecretPolicy out;
    out.name = out.resource = std::move(name);
    out.source = "store";
    out.allow = std::move(allow);
    out.deny = std::move(deny);
    return out;
}

// "app" is uid 1000 in a.service, or uid 1001; "db" is uid 2000; secrets "s" (app) and "d" (app,
// not db).
Config policy() {
    Config out;
    out.stores.emplace("store", StoreSourceConfig{});
    out.workloads = {{"app", {rule_of(1000, "a.service"), rule_of(1001)}, false, false},
                     {"db", {rule_of(2000)}, false, false}};
    out.secrets.emplace("s", secret_for("s", {"app"}));
    out.secrets.emplace("d", secret_for("d", {"app"}, {"db"}));
    return out;
}

}  // namespace

TEST_CASE("explain: each selector is told with what is wanted and found", "[agent][explain]") {
    struct Row {
        const char* selector;
        void (*good)(MatchItem&);
        void (*bad)(MatchItem&);
        const char* found;
    };
    const auto row = GENERATE(values<Row>({
        {"uid", [](MatchItem& m) { m.uid = 5; }, [](MatchItem& m) { m.uid = 6; }, "5"},
        {"gid", [](MatchItem& m) { m.gid = 100; }, [](MatchItem& m) { m.gid = 101; }, "100"},
        {"group_id", [](MatchItem& m) { m.group_id = 21; }, [](MatchItem& m) { m.group_id = 22; },
         "20 21"},
        {"unit",
         [](MatchItem& m) {
             m.unit = UnitPattern{"web@", ".service", true};
         },
         [](MatchItem& m) {
             m.unit = UnitPattern{"web.service", "", false};
         },
         "web@1.service"},
        {"slice", [](MatchItem& m) { m.slice = "a.slice"; },
         [](MatchItem& m) { m.slice = "b.slice"; }, "system.slice a.slice"},
        {"container_id", [](MatchItem& m) { m.container_id = std::string(64, 'c'); },
         [](MatchItem& m) { m.container_id = std::string(64, 'd'); }, "cccc"},
        {"pod_uid", [](MatchItem& m) { m.pod_uid = "pod"; },
         [](MatchItem& m) { m.pod_uid = "pot"; }, "pod"},
        {"selinux", [](MatchItem& m) { m.selinux = "prof (enforce)"; },
         [](MatchItem& m) { m.selinux = "prof"; }, "prof (enforce)"},
        {"apparmor", [](MatchItem& m) { m.apparmor = "prof"; },
         [](MatchItem& m) { m.apparmor = "other"; }, "prof (enforce)"},
        {"socket", [](MatchItem& m) { m.socket = "app"; }, [](MatchItem& m) { m.socket = "other"; },
         "app"},
    }));
    INFO(row.selector);
    const Caller caller = caller_of(5, "web@1.service");
    for (const bool good : {true, false}) {
        MatchItem rule;
        (good ? row.good : row.bad)(rule);
        const auto states = selector_states(rule, caller);
        REQUIRE(states.size() == 1);
        CHECK(states[0].selector == row.selector);
        CHECK(states[0].holds == good);
        CHECK_THAT(states[0].found, test::ContainsSubstring(row.found));
        CHECK(matches(Workload{"", {rule}, false, false}, caller) == good);
    }
}

TEST_CASE("explain: the rule that matched, or the one that came nearest and what of it fails",
          "[agent][explain]") {
    const Config config = policy();
    SECTION("matched") {
        const auto out = explain(config, caller_of(1000, "a.service"), "s", session(), kNow);
        CHECK(out.at("granted") == true);
        CHECK(out.at("reason") == "granted");
        CHECK(out.at("nearest").at("matches") == true);
        CHECK(out.at("nearest").at("rule") == 0);
        CHECK(out.at("nearest").at("failed").empty());
    }
    SECTION("another unit: one selector of two") {
        const auto out = explain(config, caller_of(1000, "b.service"), "s", session(), kNow);
        CHECK(out.at("reason") == "no-workload");
        CHECK(out.at("nearest").at("workload") == "app");
        CHECK(out.at("nearest").at("rule") == 0);
        const ordered_json failed = {
            {"selector", "unit"}, {"wanted", "a.service"}, {"found", "b.service"}};
        CHECK(out.at("nearest").at("failed") == ordered_json::array({failed}));
    }
    SECTION("another user: the rule with the fewest failures") {
        const auto out = explain(config, caller_of(1002), "s", session(), kNow);
        CHECK(out.at("nearest").at("rule") == 1);
    }
    SECTION("root, where no rule names it") {
        Config with_root = config;
        with_root.workloads[0].match = {rule_of(0)};
        const auto out = explain(with_root, caller_of(0), "s", session(), kNow);
        CHECK(out.at("reason") == "no-workload");
        CHECK(out.at("nearest").at("failed").at(0).at("selector") == "allow_root");
    }
    SECTION("denied") {
        const auto out = explain(config, caller_of(2000), "d", session(), kNow);
        CHECK(out.at("reason") == "denied");
        CHECK(out.at("workloads").at(1).at("denied") == true);
        CHECK(out.at("workloads").at(1).at("matches") == true);
    }
    SECTION("another's") {
        CHECK(explain(config, caller_of(2000), "s", session(), kNow).at("reason") == "not-allowed");
    }
    SECTION("no such secret: nothing but the caller is told") {
        const auto out = explain(config, caller_of(1001), "x", session(), kNow);
        CHECK(out.at("reason") == "unknown-secret");
        CHECK(out.at("caller").at("uid") == 1001);
        CHECK_FALSE(out.contains("nearest"));
    }
    SECTION("no session") {
        const auto out = explain(config, caller_of(1001), "s", std::nullopt, kNow);
        CHECK(out.at("reason") == "no-result");
    }
    SECTION("a condition") {
        Config strict = config;
        strict.secrets.at("s").require.claims = {
            {{claim_index("vmpl").value(), {std::uint64_t{0}}}}};
        const auto out = explain(strict, caller_of(1001), "s", session(), kNow);
        CHECK(out.at("reason") == "claims");
        const ordered_json last = out.at("conditions").back();
        CHECK(last.at("condition") == "claims.vmpl");
        CHECK(last.at("wanted") == "0");
        CHECK(last.at("found") == "1");
        CHECK(last.at("holds") == false);
    }
}

TEST_CASE("explain: a rule on the executable says no until somebody confirms it",
          "[agent][explain]") {
    MatchItem rule = rule_of(5);
    rule.exe_sha256 = Sha256{1};
    const auto states = selector_states(rule, caller_of(5));
    REQUIRE(states.size() == 2);
    CHECK(states[0].holds);
    CHECK(states[1].selector == "inspection");
    CHECK_FALSE(states[1].holds);
}

TEST_CASE("explain: facts of a process are those of /proc", "[agent][explain]") {
    const auto facts = facts_of_process(running_kernel(), ::getpid(), "app", {});
    if (!facts && facts.error().code == Errc::cgroup_malformed) {
        WARN("this machine's cgroups are not ones that are known: facts are not compared");
        return;
    }
    REQUIRE_OK(facts);
    CHECK(facts->peer == PeerCredentials{::getpid(), ::geteuid(), ::getegid()});
    CHECK(facts->socket == "app");
    CHECK(facts->start_time > 0);
    // A pid above every limit of the kernel's.
    REQUIRE_ERRC(Errc::peer_exited, facts_of_process(running_kernel(), 0x7fffff00, "app", {}));
}

TEST_CASE("explain: groups are the numbers of their line and nothing else", "[agent][explain]") {
    const std::string head = "Name:\tx\nUid:\t0\t0\t0\t0\n";
    CHECK(parse_groups(head + "Groups:\t4 20 1000 \nNStgid:\t1\n").value() ==
          std::vector<gid_t>{4, 20, 1000});
    CHECK(parse_groups(head + "Groups:\t \n").value().empty());
    CHECK(parse_groups(head + "Groups:\t\n").value().empty());
    REQUIRE_ERRC(Errc::peer_changed, parse_groups(head));
    REQUIRE_ERRC(Errc::peer_changed, parse_groups(head + "Groups:\t4 x\n"));
    REQUIRE_ERRC(Errc::peer_changed, parse_groups(head + "Groups:\t99999999999\n"));
}

TEST_CASE("difference: who would gain and lose what, and which secrets are others",
          "[agent][explain]") {
    const Config now = policy();
    Config fresh = now;
    fresh.secrets.erase("d");
    fresh.secrets.at("s").allow = {"db"};
    fresh.secrets.emplace("new", secret_for("new", {"app", "db"}));
    const Caller app = caller_of(1001), db = caller_of(2000), nobody = caller_of(3000);
    const auto out = difference(now, fresh, {&app, &db, &nobody}, session(), kNow);
    CHECK(out.at("secrets").at("added") == ordered_json::array({"new"}));
    CHECK(out.at("secrets").at("removed") == ordered_json::array({"d"}));
    CHECK(out.at("secrets").at("changed") == ordered_json::array({"s"}));
    REQUIRE(out.at("callers").size() == 2);
    CHECK(out.at("callers").at(0).at("gains") == ordered_json::array({"new"}));
    CHECK(out.at("callers").at(0).at("loses") == ordered_json::array({"d", "s"}));
    CHECK(out.at("callers").at(1).at("gains") == ordered_json::array({"new", "s"}));
    SECTION("without a session, by the release rules") {
        CHECK(difference(now, fresh, {&app, &db, &nobody}, std::nullopt, kNow) == out);
    }
    SECTION("a condition alone") {
        Config strict = now;
        strict.secrets.at("s").require.max_age = 10s;
        const auto stricter = difference(now, strict, {&app}, session(), kNow);
        CHECK(stricter.at("secrets").at("changed") == ordered_json::array({"s"}));
        CHECK(stricter.at("callers").at(0).at("loses") == ordered_json::array({"s"}));
    }
    SECTION("nothing") {
        const auto same = difference(now, now, {&app, &db}, session(), kNow);
        CHECK(same.at("callers").empty());
        CHECK(same.at("secrets").at("changed").empty());
    }
}

}  // namespace explain_test
