// Workloads, listeners and the rules by which callers are known: what loads, and what is refused.
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

TEST_CASE("config: a rule that could not be honoured is refused, never skipped",
          "[config][workloads]") {
    struct Row {
        const char* what;
        const char* item;
        Errc code;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"empty rule", "{}", Errc::bad_config, "an empty rule would match every caller"},
        {"unknown selector", R"({"uid": 1, "comm": "nginx"})", Errc::unknown_key, "match[0].comm"},
        {"executable alone",
         R"({"exe_sha256": "0000000000000000000000000000000000000000000000000000000000000000"})",
         Errc::bad_config, "an executable alone identifies nobody"},
        {"verity digest alone",
         R"({"exe_verity": "sha256:0000000000000000000000000000000000000000000000000000000000000000"})",
         Errc::bad_config, "an executable alone identifies nobody"},
        {"executable and a group of many", R"({"gid": 1, "exe_path": "/bin/app"})",
         Errc::bad_config, "an executable alone identifies nobody"},
        {"executable and a namespace", R"({"pidns": "init", "exe_path": "/bin/app"})",
         Errc::bad_config, "an executable alone identifies nobody"},
        {"path alone", R"({"exe_path": "/bin/app"})", Errc::bad_config,
         "an executable alone identifies nobody"},
        {"executable without an inspector", R"({"uid": 1, "exe_path": "/bin/app"})",
         Errc::bad_config, "needs attestd-inspect"},
        {"digest that is none", R"({"uid": 1, "exe_sha256": "aa"})", Errc::bad_value,
         "64 lower-case"},
        {"verity digest without its algorithm",
         R"({"uid": 1, "exe_verity": "0000000000000000000000000000000000000000000000000000000000000000"})",
         Errc::bad_value, "as fsverity measure"},
        {"path that is relative", R"({"uid": 1, "exe_path": "bin/app"})", Errc::bad_value,
         "an absolute path of a file"},
        {"path with dots", R"({"uid": 1, "exe_path": "/bin/../app"})", Errc::bad_value,
         "an absolute path of a file"},
        {"path of a folder", R"({"uid": 1, "exe_path": "/bin/"})", Errc::bad_value,
         "an absolute path of a file"},
        {"another namespace", R"({"uid": 1, "pidns": "4026531836"})", Errc::bad_value,
         "\"init\" is expected"},
        {"deleted files without a digest", R"({"uid": 1, "allow_unlinked": true})",
         Errc::bad_config, "goes with exe_sha256"},
        {"verity root", R"({"uid": 1, "on_verity_root": true})", Errc::bad_config,
         "not supported by this build"},
        {"namespace", R"({"uid": 1, "pidns": "init"})", Errc::bad_config, "needs attestd-inspect"},
        {"container label", R"({"uid": 1, "container_label": "a=b"})", Errc::bad_config,
         "not supported by this build"},
        {"user that nobody knows", R"({"user": "nobody-here"})", Errc::bad_reference,
         "knows no user"},
        {"user without a number", R"({"user": "odd"})", Errc::bad_reference, "has no number"},
        {"user and uid", R"({"user": "app", "uid": 1000})", Errc::bad_config, "give uid or user"},
        {"group and gid", R"({"group": "web", "gid": 1})", Errc::bad_config, "give gid or group"},
        {"uid below 0", R"({"uid": -1})", Errc::bad_value, "between 0"},
        {"uid that means none", R"({"uid": 4294967295})", Errc::bad_value, "between 0"},
        {"wildcard unit", R"({"unit": "*.service"})", Errc::bad_value, "instance of a template"},
        {"wildcard in the template", R"({"unit": "w*b@x.service"})", Errc::bad_value,
         "instance of a template"},
        {"wildcard prefix of an instance", R"({"unit": "web@a*.service"})", Errc::bad_value,
         "instance of a template"},
        {"template without a name", R"({"unit": "@*.service"})", Errc::bad_value,
         "instance of a template"},
        {"unit without a type", R"({"unit": "nginx"})", Errc::bad_value, "a unit such as"},
        {"unit with a path", R"({"unit": "a/b.service"})", Errc::bad_value, "a unit such as"},
        {"slice without its ending", R"({"slice": "tenant"})", Errc::bad_value, "a slice such as"},
        {"short container id", R"({"container_id": "abc"})", Errc::bad_value, "64 lower-case"},
        {"socket that nobody opens", R"({"socket": "nope"})", Errc::bad_reference,
         "no listener of kind"},
        {"the admin socket", R"({"socket": "admin"})", Errc::bad_reference, "no listener of kind"},
    }));
    INFO(row.what);
    const Setup setup;
    const auto config =
        setup.load_with(fmt::format(R"("workloads": {{"app": {{"match": [{}]}}}},)", row.item));
    REQUIRE_ERRC(row.code, config);
    CHECK_THAT(config.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("config: with an inspector, executables and namespaces are conditions of a rule",
          "[config][workloads]") {
    const Setup setup;
    const std::string digest(64, 'a');
    const auto with = [&](const std::string& item) {
        return setup.load_with(fmt::format(
            R"("identity": {{"inspect_socket": "/run/attestd/inspect.sock"}},
               "workloads": {{"app": {{"match": [{}]}}}},)",
            item));
    };
    const auto config = with(fmt::format(
        R"({{"uid": 1, "exe_sha256": "{0}", "exe_verity": "sha256:{0}", "exe_path": "/usr/bin/app",
             "pidns": "init", "userns": "init", "allow_unlinked": true}})",
        digest));
    REQUIRE_OK(config);
    CHECK(config->identity.inspect_socket == "/run/attestd/inspect.sock");
    CHECK(config->needs_inspection());
    const MatchItem& item = config->workloads.at(0).match.at(0);
    REQUIRE(item.exe_sha256.has_value());
    CHECK(to_hex(*item.exe_sha256) == digest);
    CHECK(item.exe_verity == item.exe_sha256);
    CHECK(item.exe_path == "/usr/bin/app");
    CHECK((item.init_pidns && item.init_userns && item.allow_unlinked));

    REQUIRE_ERRC(Errc::bad_config, with(R"({"pidns": "init"})"));  // identifies nobody
    const auto plain = with(R"({"uid": 1})");
    REQUIRE_OK(plain);
    CHECK_FALSE(plain->needs_inspection());
}

TEST_CASE("config: patterns of containers are taken, unless two could match one path",
          "[config][identity]") {
    const Setup setup;
    const auto with = [&](const char* patterns) {
        return setup.load_with(
            fmt::format(R"("identity": {{"container_patterns": {}}},)", patterns));
    };
    const auto config = with(R"(["/lxc/*/<id>", "/pods/<pod>/x-<id>.scope"])");
    REQUIRE_OK(config);
    REQUIRE(config->identity.container_patterns.size() == 2);
    CHECK(config->identity.container_patterns[0].text() == "/lxc/*/<id>");
    const auto known = with(R"(["/docker/<id>"])");
    REQUIRE_ERRC(Errc::bad_config, known);
    CHECK_THAT(known.error().detail, ContainsSubstring("can match the same path"));
    REQUIRE_ERRC(Errc::bad_config, with(R"(["/lxc/*/<id>", "/lxc/a/<id>"])"));
    REQUIRE_ERRC(Errc::bad_value, with(R"(["/lxc/<name>"])"));
    REQUIRE_ERRC(Errc::wrong_type, with(R"([1])"));
}

TEST_CASE("config: a socket for every user is made only in so many words", "[config][listeners]") {
    const Setup setup;
    const auto with = [&](const std::string& rest) {
        return setup.load_with(
            fmt::format(R"("listeners": [{{"name": "a", "path": "/a"{}}}],)", rest));
    };
    const std::string mode = GENERATE("0661", "0662", "0664", "0666", "0777");
    const auto refused = with(fmt::format(R"(, "mode": "{}")", mode));
    REQUIRE_ERRC(Errc::bad_value, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring("world_accessible"));
    const auto granted = with(fmt::format(R"(, "mode": "{}", "world_accessible": true)", mode));
    REQUIRE_OK(granted);
    CHECK((granted->listeners.at(0).mode & 0007) != 0);
    REQUIRE_OK(with(R"(, "mode": "0660")"));
    REQUIRE_ERRC(Errc::bad_value,
                 with(R"(, "kind": "admin", "mode": "0666", "world_accessible": true)"));
}

TEST_CASE("config: names of users and groups become numbers from the given files",
          "[config][workloads]") {
    const Setup setup;
    const auto config =
        setup.load_with(R"("workloads": {"app": {"match": [{"user": "app", "group": "web"}]}},)");
    REQUIRE_OK(config);
    const MatchItem& item = config->workloads.at(0).match.at(0);
    CHECK(item.uid == 1000U);
    CHECK(item.gid == 1002U);
}

TEST_CASE("config: raw evidence is granted only in so many words", "[config][workloads]") {
    const Setup setup;
    const auto with = [&](const char* rest) {
        return setup.load_with(
            fmt::format(R"("workloads": {{"app": {{"match": [{{"uid": 1}}]{}}}}},)", rest));
    };
    REQUIRE_ERRC(Errc::bad_config, with(R"(, "raw_evidence": true)"));
    const auto granted = with(R"(, "raw_evidence": true, "raw_is_full_identity": true)");
    REQUIRE_OK(granted);
    CHECK(granted->workloads.at(0).raw_evidence);
    CHECK_FALSE(with("")->workloads.at(0).raw_evidence);
}

TEST_CASE("config: a workload measures no event unless it is granted", "[config][workloads]") {
    const Setup setup;
    const auto with = [&](const char* rest) {
        return setup.load_with(
            fmt::format(R"("workloads": {{"app": {{"match": [{{"uid": 1}}]{}}}}},)", rest));
    };
    CHECK_FALSE(with("")->workloads.at(0).events);
    CHECK(with(R"(, "events": true)")->workloads.at(0).events);
    REQUIRE_ERRC(Errc::wrong_type, with(R"(, "events": "all")"));
}

TEST_CASE("unit pattern: only the instance of a template is free", "[config][workloads]") {
    const UnitPattern any{"web@", ".service", true};
    CHECK(any.matches("web@a.service"));
    CHECK(any.matches("web@a@b.service"));
    CHECK_FALSE(any.matches("web@.service"));  // the template itself never runs
    CHECK_FALSE(any.matches("web.service"));
    CHECK_FALSE(any.matches("xweb@a.service"));
    CHECK_FALSE(any.matches("web@a.socket"));
    const UnitPattern one{"web.service", "", false};
    CHECK(one.matches("web.service"));
    CHECK_FALSE(one.matches("web.service2"));
    CHECK_FALSE(one.matches(""));
}

}  // namespace attestd::config_test
