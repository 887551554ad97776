// The loader: what is taken as given, and what is refused, where, and in which words.
#include "config/loader.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "quote/base/encoding.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

using namespace attestd;
using attestd::test::ContainsSubstring;
using attestd::test::TempDir;

namespace {

// A folder with everything that a configuration names; "@" in a text stands for its path.
struct Setup {
    TempDir dir;
    AccountFiles accounts;

    Setup() {
        dir.write("policy.json", std::string_view("{}"));
        dir.write("anchor.pem", std::string_view("anchor"));
        accounts.passwd = dir.write(
            "passwd",
            std::string_view("root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:\nodd:x:abc:0::/:\n"));
        accounts.group = dir.write("group", std::string_view("root:x:0:\nweb:x:1002:app\n"));
    }

    std::string expanded(std::string text) const {
        for (auto at = text.find('@'); at != text.npos; at = text.find('@', at)) {
            // "web@*" and the like keep theirs: only "@/" is a path.
            if (text.compare(at, 2, "@/") == 0) {
                text.replace(at, 1, dir.path().string());
            } else {
                ++at;
            }
        }
        return text;
    }

    Result<Config> load(const std::string& text) const {
        return load_config(dir.write("attestd.json", expanded(text)), accounts);
    }
    // The least that loads, with `members` (each ended by a comma) before it.
    Result<Config> load_with(const std::string& members) const {
        return load("{\n" + members +
                    "\n\"verifier\": {\"type\": \"local\", \"policy\": \"@/policy.json\"}\n}");
    }
};

const std::string kStore = R"("sources": {"store": {"type": "store"}},)";
const std::string kApp =
    R"("workloads": {"app": {"match": [{"uid": 1000}]}, "db": {"match": [{"unit": "db.service"}]}},)";

}  // namespace

TEST_CASE("config: the least that loads has the documented defaults", "[config]") {
    const Setup setup;
    const auto config = setup.load_with("");
    REQUIRE_OK(config);
    CHECK(config->platform.type == PlatformType::automatic);
    CHECK(config->verifier.max_age == std::chrono::minutes(10));
    CHECK(config->state_dir == "/var/lib/attestd");
    CHECK(config->audit.path == "/var/lib/attestd/audit.jsonl");
    CHECK(config->audit.sync == AuditSync::batched);
    CHECK(config->config_binding == ConfigBinding::none);
    CHECK_FALSE(config->is_test_setup());
    CHECK(config->audit.max_len == 64U << 20);
    CHECK(config->audit.keep == 0);
    CHECK_FALSE(config->audit.journal);
    CHECK(config->identity.trace_recheck == std::chrono::milliseconds(100));
    CHECK(config->limits.backlog == 128);
    CHECK(config->limits.connections == 1024);
    CHECK(config->limits.connections_per_uid == 64);
    CHECK_FALSE(config->identity.require_peer_pidfd.has_value());
    REQUIRE(config->listeners.size() == 3);
    CHECK(config->listeners[0].path == "/run/attestd/attestd.sock");
    CHECK(config->listeners[0].mode == 0660);
    CHECK(config->listeners[1].kind == ListenerKind::admin);
    CHECK(config->listeners[1].mode == 0600);
    CHECK(config->listeners[2].path == "/run/attestd/credentials.sock");
    CHECK(config->listeners[2].kind == ListenerKind::credentials);
    CHECK(config->listeners[2].mode == 0600);
    CHECK(config->listeners[2].on_refusal == OnRefusal::fail);
    CHECK(config->listeners[2].hold == std::chrono::seconds(20));
}

TEST_CASE("config: callers' cgroups matter as soon as one rule looks at them", "[config]") {
    const Setup setup;
    const auto with_rule = [&](const std::string& rule) {
        return setup.load_with(R"("workloads": {"a": {"match": [{"uid": 1}]}, "b": {"match": [{)" +
                               rule + "}]}},");
    };
    for (const char* rule :
         {R"("unit": "a.service")", R"("uid": 2, "slice": "a.slice")", R"("pod_uid": "p")"}) {
        INFO(rule);
        const auto config = with_rule(rule);
        REQUIRE_OK(config);
        CHECK(config->identity.cgroup_matters);
    }
    const auto without = with_rule(R"("uid": 2, "gid": 3)");
    REQUIRE_OK(without);
    CHECK_FALSE(without->identity.cgroup_matters);
}

TEST_CASE("config: looking for a tracer before each release is 0ms", "[config]") {
    const Setup setup;
    const auto config = setup.load_with(R"("identity": {"trace_recheck": "0ms"},)");
    REQUIRE_OK(config);
    CHECK(config->identity.trace_recheck == Millis(0));
}

TEST_CASE("config: comments and $schema are for people and editors", "[config]") {
    const Setup setup;
    REQUIRE_OK(setup.load_with("// a comment\n\"$schema\": \"x\", /* another */"));
}

TEST_CASE("config: every error names file, line and what was expected", "[config]") {
    struct Row {
        const char* what;
        std::string members;
        Errc code;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {"unknown key", "\"sekrets\": {},", Errc::unknown_key,
         "attestd.json:2: sekrets: this key is not known here"},
        {"doubled key", "\"audit\": {},\n\"audit\": {},", Errc::duplicate_key, "attestd.json:3"},
        {"wrong type", "\"audit\": [],", Errc::wrong_type,
         "attestd.json:2: audit: an object is expected"},
        {"platform of a later build", R"("platform": {"type": "azure_vtpm"},)", Errc::bad_config,
         "not supported by this build"},
        {"platform that nobody knows", R"("platform": {"type": "sgx"},)", Errc::bad_value,
         "one of \"auto\", \"configfs_tsm\", \"sev_guest\", \"tdx_guest\" and \"external\""},
        {"privlevel over 3", R"("platform": {"type": "configfs_tsm", "privlevel": 4},)",
         Errc::bad_value, "platform.privlevel"},
        {"negative vmpl", R"("platform": {"type": "sev_guest", "vmpl": -1},)", Errc::bad_value,
         "platform.vmpl"},
        {"vmpl of configfs", R"("platform": {"type": "configfs_tsm", "vmpl": 1},)",
         Errc::unknown_key, "platform.vmpl"},
        {"tdx_guest with a level", R"("platform": {"type": "tdx_guest", "vmpl": 1},)",
         Errc::unknown_key, "platform.vmpl"},
        {"quote service without a port",
         R"("platform": {"type": "tdx_guest", "quote_service": "vsock://2"},)", Errc::bad_value,
         "vsock://CID:PORT is expected"},
        {"quote service with a name",
         R"("platform": {"type": "tdx_guest", "quote_service": "vsock://host:4050"},)",
         Errc::bad_value, "platform.quote_service"},
        {"quote service by https",
         R"("platform": {"type": "tdx_guest", "quote_service": "https://2:4050"},)",
         Errc::bad_value, "vsock://CID:PORT is expected"},
        {"quote service of configfs",
         R"("platform": {"type": "configfs_tsm", "quote_service": "vsock://2:4050"},)",
         Errc::unknown_key, "platform.quote_service"},
        {"external without socket", R"("platform": {"type": "external"},)", Errc::missing_key,
         "\"socket\""},
        {"auto with a socket", R"("platform": {"type": "auto", "socket": "/s"},)",
         Errc::unknown_key, "platform.socket"},
        {"relative path", R"("platform": {"type": "external", "socket": "run/s"},)",
         Errc::bad_value, "absolute path"},
        {"path with ..", R"("state_dir": "/var/../etc",)", Errc::bad_value, "absolute path"},
        {"source of a later build", R"("sources": {"b": {"type": "kbs", "url": "https://x"}},)",
         Errc::bad_config, "sources.b.type: \"kbs\" is not supported by this build"},
        {"source with a bad name", R"("sources": {"a/b": {"type": "store"}},)", Errc::bad_name,
         "an id is"},
        {"audit sync", R"("audit": {"sync": "never"},)", Errc::bad_value,
         "\"batched\" or \"each\""},
        {"a small audit file", R"("audit": {"max_size": 1000},)", Errc::bad_value,
         "at least 65536 bytes"},
        {"duration", R"("limits": {"idle_timeout": "30"},)", Errc::bad_encoding,
         "limits.idle_timeout: a duration"},
        {"zero duration", R"("limits": {"idle_timeout": "0s"},)", Errc::bad_value, "at least"},
        {"zero limit", R"("limits": {"connections": 0},)", Errc::bad_value, "between 1 and 65536"},
        {"fraction", R"("limits": {"connections": 1.5},)", Errc::wrong_type,
         "an integer is expected"},
        {"binding of a later build", R"("config_binding": "rtmr3",)", Errc::bad_config,
         "not supported by this build"},
        {"binding that nobody knows", R"("config_binding": "luck",)", Errc::bad_value,
         "\"hostdata\" and \"mrconfigid\""},
        {"credentials for others than root",
         R"("listeners": [{"name": "a", "path": "/a", "kind": "credentials", "mode": "0660"}],)",
         Errc::bad_value, "root's alone"},
        {"on_refusal of workloads",
         R"("listeners": [{"name": "a", "path": "/a", "on_refusal": "empty"}],)", Errc::bad_config,
         "listeners[0].on_refusal: is for listeners of kind \"credentials\""},
        {"on_refusal that nobody knows",
         R"("listeners": [{"name": "a", "path": "/a", "kind": "credentials", "on_refusal": "x"}],)",
         Errc::bad_value, "\"fail\" or \"empty\""},
        {"no listener", R"("listeners": [],)", Errc::bad_config, "nobody could reach attestd"},
        {"mode as a number", R"("listeners": [{"name": "a", "path": "/a", "mode": 660}],)",
         Errc::wrong_type, "text is expected"},
        {"mode without 0", R"("listeners": [{"name": "a", "path": "/a", "mode": "660"}],)",
         Errc::bad_value, "four octal digits"},
        {"open admin socket",
         R"("listeners": [{"name": "a", "path": "/a", "kind": "admin", "mode": "0666"}],)",
         Errc::bad_value, "never open to others"},
        {"group that nobody knows",
         R"("listeners": [{"name": "a", "path": "/a", "group": "nogroup"}],)", Errc::bad_reference,
         "knows no group \"nogroup\""},
        {"two listeners of one name",
         R"("listeners": [{"name": "a", "path": "/a"}, {"name": "a", "path": "/b"}],)",
         Errc::bad_config, "share the name"},
        {"two listeners at one path",
         R"("listeners": [{"name": "a", "path": "/a"}, {"name": "b", "path": "/a"}],)",
         Errc::bad_config, "or the path"},
    }));
    INFO(row.what);
    const Setup setup;
    const auto config = setup.load_with(row.members);
    REQUIRE_ERRC(row.code, config);
    CHECK_THAT(config.error().detail, ContainsSubstring(row.says));
}

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

TEST_CASE("config: an image that is being made is read below its root, with the same digest",
          "[config][digest]") {
    const Setup setup;
    const std::string members = R"("workloads": {"app": {"match": [{"user": "app"}]}},)";
    const auto here = setup.load_with(members);
    REQUIRE_OK(here);
    // Everything is in one folder: as the root of an image, with paths that begin there.
    std::filesystem::create_directory(setup.dir / "image");
    const std::filesystem::path inside = setup.dir.path().relative_path();
    std::filesystem::create_directories(setup.dir / "image" / inside);
    for (const char* file : {"attestd.json", "policy.json", "passwd", "group"}) {
        std::filesystem::rename(setup.dir / file, setup.dir / "image" / inside / file);
    }
    REQUIRE_FALSE(load_config(setup.dir / "attestd.json", setup.accounts).has_value());
    const auto image = load_config(setup.dir / "attestd.json", setup.accounts, setup.dir / "image");
    REQUIRE_OK(image);
    CHECK(image->digest == here->digest);
    CHECK(image->verifier.policy.path == here->verifier.policy.path);
}

TEST_CASE("config: both digests are over every file and every name resolved", "[config][digest]") {
    const Setup setup;
    const std::string members =
        kStore +
        R"("workloads": {"app": {"match": [{"user": "app"}]}}, "config_binding": "hostdata",
        "secrets_dir": {"path": "@/secrets.d", "prefixes": {"app.json": "app/"}},)";
    const auto digests = [&] {
        const auto config = setup.load_with(members);
        REQUIRE_OK(config);
        CHECK(config->config_binding == ConfigBinding::hostdata);
        return std::make_pair(config->digest, config->digest_sha384);
    };
    const auto part = [](std::string_view text) {
        std::string out(8, '\0');
        out[6] = static_cast<char>(text.size() >> 8);
        out[7] = static_cast<char>(text.size());
        return out.append(text);
    };
    const std::string drop_in = R"({"secrets": {}})";
    setup.dir.write("secrets.d/app.json", std::string_view(drop_in));
    const auto first = digests();
    // The files in the order in which they are loaded, then the names: what attestd.json(5) says.
    const std::string main_file = test::load_text(setup.dir / "attestd.json");
    const std::string all = part(main_file) + part("{}") + part(drop_in) + part("user app=1000");
    CHECK(first.first == sha256(as_bytes(all)));
    CHECK(first.second == sha384(as_bytes(all)));
    struct Row {
        const char* file;
        const char* text;
    };
    const auto row = GENERATE(values<Row>({{"policy.json", "{} "},
                                           {"secrets.d/app.json", R"({"secrets": { }})"},
                                           {"passwd", "app:x:1001:1001::/:\n"}}));
    INFO(row.file);
    setup.dir.write(row.file, std::string_view(row.text));
    const auto second = digests();
    CHECK(second.first != first.first);
    CHECK(second.second != first.second);
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

TEST_CASE("config: additional trust anchors give the setup a state folder of its own", "[config]") {
    const Setup setup;
    const auto config = setup.load(R"({"state_dir": "/s", "sources": {"store": {"type": "store"}},
        "verifier": {"type": "local", "policy": "@/policy.json", "trust_anchors": ["@/anchor.pem"]}})");
    REQUIRE_OK(config);
    CHECK(config->is_test_setup());
    CHECK(config->state_dir == "/s/test");
    CHECK(config->audit.path == "/s/test/audit.jsonl");
    CHECK(config->stores.at("store").path == "/s/test/store");
    REQUIRE(config->verifier.trust_anchors.size() == 1);
    CHECK(as_text(config->verifier.trust_anchors[0].bytes) == "anchor");
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

TEST_CASE("config: collateral has its folder and its services, each with a default", "[config]") {
    const Setup setup;
    const auto plain = setup.load_with("");
    REQUIRE_OK(plain);
    const CollateralConfig& usual = plain->verifier.collateral;
    CHECK(usual.cache == plain->state_dir / "collateral");
    CHECK(usual.fetch);
    CHECK(usual.fetch_socket == "/run/attestd/fetch.sock");
    CHECK(usual.pccs.empty());
}

TEST_CASE("config: what collateral says wrong is refused with what is expected", "[config]") {
    struct Row {
        const char* members;
        Errc want;
    };
    const auto row = GENERATE(
        values<Row>({{R"("pccs": "http://pccs.example.com")", Errc::bad_value},
                     {R"("pccs": "https://")", Errc::bad_value},
                     {R"("pccs": "https://pccs.example.com/")", Errc::bad_value},
                     {R"("kds": "https://me@kds.example.com")", Errc::bad_value},
                     {R"("kds": "https://kds.example.com/a b")", Errc::bad_value},
                     {R"("update": "late")", Errc::bad_value},
                     {R"("update": "early", "tcb_evaluation_data_number": 17)", Errc::bad_config},
                     {R"("tcb_evaluation_data_number": 0)", Errc::bad_value},
                     {R"("fetch": 1)", Errc::wrong_type},
                     {R"("cache": "collateral")", Errc::bad_value},
                     {R"("fetch_sock": "/x")", Errc::unknown_key}}));
    const Setup setup;
    const auto config =
        setup.load(R"({"verifier": {"type": "local", "policy": "@/policy.json", "collateral": {)" +
                   std::string(row.members) + "}}}");
    CAPTURE(row.members);
    REQUIRE_ERRC(row.want, config);
    const auto good = setup.load(
        R"({"verifier": {"type": "local", "policy": "@/policy.json", "collateral": {
            "cache": "/c", "fetch": false, "fetch_socket": "/f", "pccs": "https://p:8081",
            "kds": "https://k", "update": "early"}}})");
    REQUIRE_OK(good);
    CHECK(good->verifier.collateral ==
          CollateralConfig{"/c", false, "/f", "https://p:8081", "https://k", true, std::nullopt});
}

TEST_CASE("config: a file that others can write is refused", "[config]") {
    const Setup setup;
    const auto mode = GENERATE(0664, 0646, 0666);
    REQUIRE_OK(setup.load_with(""));
    REQUIRE(::chmod((setup.dir / "policy.json").c_str(), static_cast<mode_t>(mode)) == 0);
    const auto config = setup.load_with("");
    REQUIRE_ERRC(Errc::access_denied, config);
    CHECK_THAT(config.error().detail, ContainsSubstring("chmod go-w"));
}

TEST_CASE("config: a FIFO or folder in a file's place does not hang the start", "[config]") {
    const Setup setup;
    std::filesystem::remove(setup.dir / "policy.json");
    SECTION("FIFO") { REQUIRE(::mkfifo((setup.dir / "policy.json").c_str(), 0600) == 0); }
    SECTION("folder") { REQUIRE(std::filesystem::create_directory(setup.dir / "policy.json")); }
    REQUIRE_ERRC(Errc::bad_config, setup.load_with(""));
}

TEST_CASE(
    "config: the digest changes with every byte of every file and with every number of a name",
    "[config][digest]") {
    const Setup setup;
    const std::string members = R"("workloads": {"app": {"match": [{"user": "app"}]}},)";
    const auto digest = [&] { return setup.load_with(members).value().digest; };
    const Sha256 before = digest();
    CHECK(digest() == before);
    CHECK(setup.load_with(members + " ").value().digest != before);
    setup.dir.write("policy.json", std::string_view("{ }"));
    const Sha256 other_policy = digest();
    CHECK(other_policy != before);
    setup.dir.write("passwd", std::string_view("app:x:1001:1001::/:\n"));
    CHECK(digest() != other_policy);
}
