// Secrets, their conditions, sources and drop-ins: what loads, and what is refused.
#include "config/loader.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/vectors.h"
#include "tests/unit/config/setup.h"

namespace attestd::config_test {

using test::ContainsSubstring;

TEST_CASE("config: secrets refer to what is defined, or are refused", "[config][secrets]") {
    struct Row {
        const char* what;
        const char* secret;
        Errc code;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"no source", R"("a": {"allow": []})", Errc::missing_key, "\"source\" is missing"},
        {"no allow", R"("a": {"source": "store"})", Errc::missing_key, "\"allow\" is missing"},
        {"source that is none", R"("a": {"source": "vault", "allow": []})", Errc::bad_reference,
         "no source is called \"vault\""},
        {"workload that is none", R"("a": {"source": "store", "allow": ["ap"]})",
         Errc::bad_reference, "no workload is called \"ap\""},
        {"denied workload that is none", R"("a": {"source": "store", "allow": [], "deny": ["x"]})",
         Errc::bad_reference, "no workload is called \"x\""},
        {"bad name", R"("a/../b": {"source": "store", "allow": []})", Errc::bad_name,
         "secrets.a/../b"},
        {"bad resource", R"("a": {"source": "store", "allow": [], "resource": "/x"})",
         Errc::bad_name, "secrets.a.resource"},
        {"ttl too short to be asked for", R"("a": {"source": "store", "allow": [], "ttl": "2s"})",
         Errc::bad_value, "secrets.a.ttl"},
    }));
    INFO(row.what);
    const Setup setup;
    const auto config =
        setup.load_with(kStore + kApp + fmt::format(R"("secrets": {{{}}},)", row.secret));
    REQUIRE_ERRC(row.code, config);
    CHECK_THAT(config.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("config: conditions on a secret are compiled when they are loaded",
          "[config][conditions]") {
    const Setup setup;
    const auto config = setup.load_with(kStore + kApp + R"("secrets": {"a": {"source": "store",
        "allow": ["app"], "require": {"claims": [{"vmpl": [0, 1], "policy_debug": false},
        {"mrtd": "@", "tee_type": "0x81"}], "verifier": ["local", "ita"], "max_age": "5m",
        "grade": "production", "min_protection": "end_to_end"}}},)");
    SECTION("a claim's value of another length") {
        REQUIRE_ERRC(Errc::bad_value, config);
        CHECK_THAT(config.error().detail, ContainsSubstring("secrets.a.require.claims[1].mrtd"));
    }
    SECTION("all of it") {
        std::string text =
            R"("secrets": {"a": {"source": "store",
        "allow": ["app"], "require": {"claims": [{"vmpl": [0, 1], "policy_debug": false},
        {"mrtd": ")" +
            std::string(96, '1') +
            R"(", "tee_type": "0x81"}], "verifier": ["local", "ita"], "max_age": "5m",
        "grade": "production", "min_protection": "end_to_end"}}},)";
        const auto loaded = setup.load_with(kStore + kApp + text);
        REQUIRE_OK(loaded);
        const Conditions& require = loaded->secrets.at("a").require;
        REQUIRE(require.claims.size() == 2);
        REQUIRE(require.claims[0].size() == 2);  // in the order of their names
        CHECK(all_claims()[require.claims[0][0].claim].name == "policy_debug");
        CHECK(require.claims[0][0].one_of == std::vector<ClaimValue>{false});
        CHECK(require.claims[0][1].one_of ==
              std::vector<ClaimValue>{std::uint64_t{0}, std::uint64_t{1}});
        CHECK(require.claims[1][0].one_of == std::vector<ClaimValue>{Bytes(48, 0x11)});
        CHECK(require.claims[1][1].one_of == std::vector<ClaimValue>{std::uint64_t{0x81}});
        CHECK(require.verifiers == std::vector<std::string>{"local", "ita"});
        CHECK(require.max_age == std::chrono::minutes(5));
        CHECK(require.grade == GradeCondition::production);
        CHECK(require.min_protection == Protection::end_to_end);
    }
}

TEST_CASE("config: a condition that could never hold is refused", "[config][conditions]") {
    struct Row {
        const char* require;
        Errc code;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {R"({"claims": {"mrtdd": "00"}})", Errc::bad_reference, "claims.mrtdd"},
        {R"({"claims": {"report_data": "00"}})", Errc::bad_reference, "a claim of this name"},
        {R"({"claims": {"current_tcb": {}}})", Errc::bad_reference, "a claim of this name"},
        {R"({"claims": {"mrtd": "00"}})", Errc::bad_value, "48 bytes"},
        {R"({"claims": {"vmpl": "0"}})", Errc::wrong_type, "claims.vmpl"},
        {R"({"claims": {"vmpl": -1}})", Errc::bad_value, "claims.vmpl"},
        {R"({"claims": {"policy_debug": 0}})", Errc::wrong_type, "claims.policy_debug"},
        {R"({"claims": {"vmpl": []}})", Errc::bad_config, "could never hold"},
        {R"({"claims": {}})", Errc::bad_config, "no claim is named"},
        {R"({"claims": []})", Errc::bad_config, "could never hold"},
        {R"({"claims": {"rtmr0": [], "vmpl": 0}})", Errc::bad_config, "could never hold"},
        {R"({"claims": {"policy": "0x1", "vmpl": 0, "xfam": "0000000000000000"}})",
         Errc::bad_config, "one object for each kind of evidence"},
        {R"({"verifier": "locale"})", Errc::bad_value, "\"veraison\""},
        {R"({"verifier": []})", Errc::bad_config, "could never hold"},
        {R"({"max_age": "0s"})", Errc::bad_value, "max_age"},
        {R"({"max_age": "999ms"})", Errc::bad_value, "at least 1s"},
        {R"({"grade": "gold"})", Errc::bad_value, "\"production\" or \"test\""},
        {R"({"grade": "test"})", Errc::bad_config, "\"test\": true"},
        {R"({"min_protection": "high"})", Errc::bad_value, "\"transport\" or \"end_to_end\""},
        {R"({"min_protecton": "end_to_end"})", Errc::unknown_key, "min_protecton"},
    }));
    INFO(row.require);
    const Setup setup;
    const auto config = setup.load_with(
        kStore + kApp +
        fmt::format(R"("secrets": {{"a": {{"source": "store", "allow": [], "require": {}}}}},)",
                    row.require));
    REQUIRE_ERRC(row.code, config);
    CHECK_THAT(config.error().detail, ContainsSubstring(row.says));
    CHECK_THAT(config.error().detail, ContainsSubstring("attestd.json:"));
}

TEST_CASE("config: a secret for tests never asks for a production result", "[config][conditions]") {
    const Setup setup;
    const auto load = [&](const char* grade) {
        return setup.load_with(
            kStore + kApp +
            fmt::format(R"("secrets": {{"a": {{"source": "store", "allow": [], "test": true,
                        "require": {{"grade": "{}"}}}}}},)",
                        grade));
    };
    REQUIRE_OK(load("test"));
    REQUIRE_ERRC(Errc::bad_config, load("production"));
}

TEST_CASE("config: a secret's resource is its own name unless another is given",
          "[config][secrets]") {
    const Setup setup;
    const auto config =
        setup.load_with(kStore + kApp + R"("secrets": {"a/b": {"source": "store", "allow": ["app"]},
                                       "c": {"source": "store", "allow": ["app"], "deny": ["db"], "resource": "x/y", "test": true}},)");
    REQUIRE_OK(config);
    CHECK(config->secrets.at("a/b").resource == "a/b");
    CHECK_FALSE(config->secrets.at("a/b").test);
    CHECK(config->secrets.at("c").resource == "x/y");
    CHECK(config->secrets.at("c").test);
    CHECK(config->secrets.at("c").deny == std::vector<std::string>{"db"});
}

TEST_CASE("config: a remote slot takes a secret of another source, which opens first",
          "[config][sources]") {
    const Setup setup;
    const auto load = [&](const char* a, const char* b) {
        return setup.load_with(fmt::format(
            R"("sources": {{"a": {{"type": "store"{}}}, "b": {{"type": "store"{}}}}},)", a, b));
    };
    const auto config = load(R"(, "remote_slot": {"source": "b", "resource": "keys/a"})", "");
    REQUIRE_OK(config);
    CHECK(config->stores.at("a").remote_slot == RemoteSlotConfig{"b", "keys/a"});
    REQUIRE(config->slot_secrets.contains("a"));
    CHECK(config->slot_secrets.at("a").source == "b");
    CHECK(config->slot_secrets.at("a").resource == "keys/a");
    CHECK_FALSE(config->slot_secrets.at("a").test);
    struct Row {
        const char *a, *b;
        Errc code;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {R"(, "remote_slot": {"source": "c", "resource": "k"})", "", Errc::bad_reference,
         "no source is called \"c\""},
        {R"(, "remote_slot": {"source": "a", "resource": "k"})", "", Errc::bad_config,
         "would have to be open"},
        {R"(, "remote_slot": {"source": "b", "resource": "k"})",
         R"(, "remote_slot": {"source": "a", "resource": "k"})", Errc::bad_config,
         "would have to be open"},
        {R"(, "remote_slot": {"source": "b", "resource": "/k"})", "", Errc::bad_name,
         "remote_slot.resource"},
        {R"(, "remote_slot": {"source": "b"})", "", Errc::missing_key, "\"resource\" is missing"},
    }));
    INFO(row.a << row.b);
    const auto refused = load(row.a, row.b);
    REQUIRE_ERRC(row.code, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("config: a drop-in grants names below its prefix and nothing else",
          "[config][drop-ins]") {
    const Setup setup;
    const std::string members =
        kStore + kApp + R"("secrets": {"main": {"source": "store", "allow": []}},
        "secrets_dir": {"path": "@/secrets.d", "prefixes": {"db.json": "db/", "other.json": "main/"}},)";
    const auto with = [&](const char* file, std::string_view text) {
        std::filesystem::remove_all(setup.dir / "secrets.d");
        setup.dir.write(std::string("secrets.d/") + file, text);
        return setup.load_with(members);
    };
    SECTION("within the prefix") {
        const auto config = with(
            "db.json", R"({"secrets": {"db/password": {"source": "store", "allow": ["db"]}}})");
        REQUIRE_OK(config);
        CHECK(config->secrets.contains("db/password"));
        CHECK(config->secrets.contains("main"));
    }
    SECTION("outside of it") {
        REQUIRE_ERRC(
            Errc::bad_config,
            with("db.json", R"({"secrets": {"dbx/p": {"source": "store", "allow": []}}})"));
    }
    SECTION("a name of the main file's") {
        REQUIRE_ERRC(Errc::bad_config,
                     with("db.json", R"({"secrets": {"main": {"source": "store", "allow": []}}})"));
    }
    SECTION("another key") {
        REQUIRE_ERRC(Errc::unknown_key, with("db.json", R"({"secrets": {}, "workloads": {}})"));
    }
    SECTION("a file that was given no prefix") {
        REQUIRE_ERRC(Errc::bad_config, with("unnamed.json", R"({"secrets": {}})"));
    }
    SECTION("a file that others can write") {
        const auto file = setup.dir.write("secrets.d/db.json", std::string_view("{}"));
        REQUIRE(::chmod(file.c_str(), 0664) == 0);
        const auto refused = setup.load_with(members);
        REQUIRE_ERRC(Errc::access_denied, refused);
        CHECK_THAT(refused.error().detail, ContainsSubstring("secrets.d/db.json"));
    }
    SECTION("a file of another user") {
        if (::geteuid() != 0) {
            WARN("needs root: another user's file is not tried");
            return;
        }
        const auto file = setup.dir.write("secrets.d/db.json", std::string_view("{}"));
        REQUIRE(::chown(file.c_str(), 4711, 4711) == 0);
        const auto refused = setup.load_with(members);
        REQUIRE_ERRC(Errc::access_denied, refused);
        CHECK_THAT(refused.error().detail, ContainsSubstring("belongs to uid 4711"));
    }
    SECTION("a folder into which others can put files") {
        setup.dir.write("secrets.d/README", std::string_view(""));
        REQUIRE(::chmod((setup.dir / "secrets.d").c_str(), 0777) == 0);
        const auto refused = setup.load_with(members);
        REQUIRE_ERRC(Errc::access_denied, refused);
        CHECK_THAT(refused.error().detail, ContainsSubstring("secrets.d: can be written"));
    }
    SECTION("what is wrong in it is told with its own file and line") {
        const auto refused =
            with("db.json", "{\"secrets\": {\n\n\"db/p\": {\"source\": \"store\"}}}");
        REQUIRE_ERRC(Errc::missing_key, refused);
        CHECK_THAT(refused.error().detail, ContainsSubstring("secrets.d/db.json:3"));
    }
    SECTION("a file of another kind lies there unread") { REQUIRE_OK(with("README", "not JSON")); }
    SECTION("a prefix that is no whole part") {
        setup.dir.write("secrets.d/db.json", std::string_view("{}"));
        REQUIRE_ERRC(
            Errc::bad_value,
            setup.load_with(
                R"("secrets_dir": {"path": "@/secrets.d", "prefixes": {"db.json": "db"}},)"));
    }
}

}  // namespace attestd::config_test
