// Lint: which configuration that loads is told about, and which is not.
#include "config/lint.h"

#include <algorithm>

#include "config/loader.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using namespace attestd;
using attestd::test::TempDir;

namespace {

// "id where" of each finding about a configuration with these members.
std::vector<std::string> told(const std::string& members) {
    const TempDir dir;
    const std::string policy = dir.write("policy.json", std::string_view("{}")).string();
    const std::string text = R"({"config_binding": "image", "sources": {"store": {"type": "store"}},
        "verifier": {"type": "local", "policy": ")" +
                             policy + "\"}, " + members + "}";
    const auto config = load_config(dir.write("attestd.json", text));
    REQUIRE_OK(config);
    std::vector<std::string> out;
    for (const LintFinding& finding : lint(*config)) {
        CHECK_FALSE(finding.detail.empty());
        out.push_back(finding.id + " " + finding.where);
    }
    return out;
}

const std::string kGood = R"("workloads": {"app": {"match": [{"unit": "app.service"}]},
    "db": {"match": [{"uid": 1000}]}}, "secrets": {"a": {"source": "store", "allow": ["app"]},
    "b": {"source": "store", "allow": ["app", "db"], "deny": []}})";

}  // namespace

TEST_CASE("lint: a configuration that means what it says is told nothing", "[config][lint]") {
    CHECK(told(kGood).empty());
}

TEST_CASE("lint: each rule tells its own case and names the place", "[config][lint]") {
    struct Row {
        const char* what;
        const char* members;
        std::vector<std::string> wanted;
    };
    const auto row = GENERATE(values<Row>({
        {"a secret that nobody is allowed",
         R"("secrets": {"a": {"source": "store", "allow": []}})",
         {"secret.nobody secrets.a"}},
        {"allowed and denied",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"], "deny": ["w"]}})",
         {"secret.shadowed-allow secrets.a", "secret.nobody secrets.a"}},
        {"denied by a wider workload",
         R"("workloads": {"v": {"match": [{"unit": "v.service"}]},
            "w": {"match": [{"unit": "x@1.service", "uid": 5}]},
            "wide": {"match": [{"unit": "x@*.service"}]}},
            "secrets": {"a": {"source": "store", "allow": ["v", "w"], "deny": ["wide"]},
                        "b": {"source": "store", "allow": ["wide"]}})",
         {"secret.shadowed-allow secrets.a"}},
        {"denied by a narrower workload is a real rule",
         R"("workloads": {"w": {"match": [{"unit": "x@1.service", "uid": 5}]},
            "wide": {"match": [{"unit": "x@*.service"}]}},
            "secrets": {"a": {"source": "store", "allow": ["wide"], "deny": ["w"]},
                        "b": {"source": "store", "allow": ["w"]}})",
         {}},
        {"nobody is allowed what one is denied",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}]}},
            "secrets": {"a": {"source": "store", "allow": [], "deny": ["w"]},
                        "b": {"source": "store", "allow": ["w"]}})",
         {"secret.nobody secrets.a", "secret.idle-deny secrets.a"}},
        {"a workload without a secret",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}]}})",
         {"workload.unused workloads.w"}},
        {"root that never matches",
         R"("workloads": {"w": {"match": [{"uid": 0}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"]}})",
         {"workload.root-never workloads.w.match[0]"}},
        {"root that does",
         R"("workloads": {"w": {"match": [{"uid": 0}], "allow_root": true}},
            "secrets": {"a": {"source": "store", "allow": ["w"]}})",
         {"workload.root workloads.w"}},
        {"two workloads of one uid",
         R"("workloads": {"v": {"match": [{"uid": 7}]}, "w": {"match": [{"unit": "w.service"}, {"uid": 7, "gid": 7}]}},
            "secrets": {"a": {"source": "store", "allow": ["v", "w"]}})",
         {"workload.shared-uid workloads.v.match[0]", "workload.shared-uid workloads.w.match[1]"}},
        {"two workloads of one uid in units of their own",
         R"("workloads": {"v": {"match": [{"uid": 7, "unit": "v.service"}]}, "w": {"match": [{"uid": 7}]}},
            "secrets": {"a": {"source": "store", "allow": ["v", "w"]}})",
         {}},
        {"nobody's uid",
         R"("workloads": {"w": {"match": [{"uid": 65534}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"]}})",
         {"workload.shared-uid workloads.w.match[0]"}},
        {"a rule within another",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}, {"unit": "w.service", "uid": 7}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"]}})",
         {"workload.redundant-rule workloads.w.match[1]"}},
        {"the same rule twice",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}, {"unit": "w.service"}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"]}})",
         {"workload.redundant-rule workloads.w.match[1]"}},
        {"a socket for everybody",
         R"("listeners": [{"name": "all", "path": "/s", "mode": "0666", "world_accessible": true}],
            "workloads": {"w": {"match": [{"socket": "all"}]}, "u": {"match": [{"socket": "all", "uid": 9}]}},
            "secrets": {"a": {"source": "store", "allow": ["w", "u"]}})",
         {"listener.world listeners.all", "workload.anyone workloads.w.match[0]"}},
        {"an admin socket for a group",
         R"("listeners": [{"name": "default", "path": "/s"}, {"name": "adm", "path": "/a", "kind": "admin", "group": "root", "mode": "0660"}])",
         {"listener.admin listeners.adm"}},
        {"two names of one resource",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"]},
                        "b": {"source": "store", "allow": ["w"], "resource": "a"}})",
         {"secret.same-resource secrets.a"}},
        {"another verifier than there is",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"], "require": {"verifier": ["ita", "maa"]}}})",
         {"secret.never secrets.a.require.verifier"}},
        {"an age that the verifier's bounds",
         R"("workloads": {"w": {"match": [{"unit": "w.service"}]}},
            "secrets": {"a": {"source": "store", "allow": ["w"], "require": {"max_age": "1h"}}})",
         {"secret.idle-condition secrets.a.require.max_age"}},
    }));
    INFO(row.what);
    CHECK(told(row.members) == row.wanted);
}

TEST_CASE("lint: a key broker whose tokens anybody may sign is told", "[config][lint]") {
    KbsSourceConfig pinned, any;
    any.discover_token_signer = true;
    Config config;
    config.config_binding = ConfigBinding::image;
    config.brokers = {{"any", any}, {"pinned", pinned}};
    const auto findings = lint(config);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0].id == "source.any-signer");
    CHECK(findings[0].where == "sources.any.discover_token_signer");
}

TEST_CASE("lint: sealed secrets that can be exchanged, and signers at a broker, are told",
          "[config][lint]") {
    Config config;
    config.config_binding = ConfigBinding::image;
    config.sealed_sources["pinned"].broker = "broker";
    config.sealed_sources["loose"].unbound = true;
    config.sealed_sources["loose"].trusted_kids = {"kbs:///a/b/c"};
    const auto findings = lint(config);
    REQUIRE(findings.size() == 2);
    CHECK(findings[0].id == "source.unbound");
    CHECK(findings[0].where == "sources.loose.unbound");
    CHECK(findings[1].id == "source.signer-at-broker");
    CHECK(findings[1].where == "sources.loose.trusted_kids");
}

TEST_CASE("lint: no binding, hand-over and test anchors are told", "[config][lint]") {
    Config config;
    config.config_binding = ConfigBinding::none;
    config.verifier.trust_anchors.emplace_back();
    config.hand_over_policy.emplace();
    SecretPolicy secret;
    secret.name = "a";
    config.secrets.emplace("a", secret);
    std::vector<std::string> ids;
    for (const LintFinding& finding : lint(config)) ids.push_back(finding.id);
    CHECK(ids == std::vector<std::string>{"secret.nobody", "secret.never", "config.unbound",
                                          "hand-over.allowed", "verifier.test-grade"});
}
