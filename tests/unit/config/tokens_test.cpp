// Tokens for workloads, the key that goes with one, and listeners over TCP: what must be said in so
// many words, and what cannot be.
#include "tests/support/catch.h"
#include "tests/unit/config/setup.h"

namespace attestd::config_test {
namespace {

struct TokenSetup {
    Setup setup;
    TokenSetup() { setup.dir.write("signer.pem", std::string_view("signer")); }

    // With two key brokers, a verifier in this process, and `members` of the workload.
    Result<Config> load(const std::string& members, const std::string& more_sources = "",
                        const std::string& listeners = "") const {
        const std::string broker =
            R"({"type": "kbs", "url": "https://kbs.example", "token_signer": "@/signer.pem"})";
        return setup.load_with(fmt::format(
            R"("sources": {{"one": {}, "two": {}{}}}, {}
               "workloads": {{"app": {{"match": [{{"uid": 1}}]{}}}}},)",
            broker, broker, more_sources, listeners, members));
    }
};

}  // namespace

TEST_CASE("config: a workload has no token unless it is granted one by name", "[config][tokens]") {
    const TokenSetup setup;
    const auto none = setup.load("");
    REQUIRE_OK(none);
    CHECK(none->workloads.at(0).tokens.empty());
    CHECK_FALSE(none->workloads.at(0).export_key);
    const auto some = setup.load(
        R"(, "tokens": [{"from": "one", "audience": "https://a.example"}, {"from": "two", "test": true}])");
    REQUIRE_OK(some);
    const auto& tokens = some->workloads.at(0).tokens;
    REQUIRE(tokens.size() == 2);
    CHECK(tokens[0].policy.source == "one");
    CHECK(tokens[0].policy.name == "token:one");
    CHECK(tokens[0].audience == "https://a.example");
    CHECK_FALSE(tokens[0].policy.test);
    CHECK(tokens[1].audience.empty());
    CHECK(tokens[1].policy.test);
}

TEST_CASE("config: a token that nobody issues, or that a source logs in with, is not granted",
          "[config][tokens]") {
    struct Row {
        const char *what, *members, *sources;
        Errc code;
    };
    const char* const kVault =
        R"(, "v": {"type": "vault", "url": "https://v.example", "role": "r", "token_source": "one"})";
    const auto row = GENERATE_COPY(values<Row>({
        {"no such source", R"(, "tokens": [{"from": "three"}])", "", Errc::bad_reference},
        {"a source of another type", R"(, "tokens": [{"from": "s"}])",
         R"(, "s": {"type": "store"})", Errc::bad_reference},
        {"a verifier without tokens", R"(, "tokens": [{"from": "verifier"}])", "",
         Errc::bad_config},
        {"a login's", R"(, "tokens": [{"from": "one"}])", kVault, Errc::bad_config},
        {"one audience twice",
         R"(, "tokens": [{"from": "one", "audience": "a"}, {"from": "two", "audience": "a"}])", "",
         Errc::bad_config},
        {"an audience with a blank", R"(, "tokens": [{"from": "one", "audience": "a b"}])", "",
         Errc::bad_value},
        {"an unknown member", R"(, "tokens": [{"from": "one", "key": true}])", "",
         Errc::unknown_key},
    }));
    INFO(row.what);
    REQUIRE_ERRC(row.code, TokenSetup().load(row.members, row.sources));
    REQUIRE_OK(TokenSetup().load(R"(, "tokens": [{"from": "two"}])", kVault));
}

TEST_CASE("config: a key leaves only where two words say so, and with a key broker's token",
          "[config][tokens]") {
    const TokenSetup setup;
    const std::string token = R"(, "tokens": [{"from": "one"}])";
    const std::string key = R"(, "export_key": true)", full = R"(, "key_is_full_identity": true)";
    REQUIRE_ERRC(Errc::bad_config, setup.load(key + full));
    REQUIRE_ERRC(Errc::bad_config, setup.load(token + key));
    const auto granted = setup.load(token + key + full);
    REQUIRE_OK(granted);
    CHECK(granted->workloads.at(0).export_key);
    const auto unsaid = setup.load(token + full);
    REQUIRE_OK(unsaid);
    CHECK_FALSE(unsaid->workloads.at(0).export_key);
}

TEST_CASE("config: where there are several key brokers, a listener says whose tokens it gives",
          "[config][tokens]") {
    const TokenSetup setup;
    const auto with = [&](const char* more) {
        return setup.load(
            R"(, "tokens": [{"from": "one"}])", "",
            fmt::format(R"("listeners": [{{"name": "c", "path": "/run/c", "kind": "coco"{}}}],)",
                        more));
    };
    REQUIRE_ERRC(Errc::bad_config, with(""));
    REQUIRE_ERRC(Errc::bad_reference, with(R"(, "coco_token_source": "three")"));
    const auto named = with(R"(, "coco_token_source": "two")");
    REQUIRE_OK(named);
    CHECK(named->listeners.at(0).coco_token_source == "two");
}

TEST_CASE("config: a TCP listener is of kind coco, has no path, and is a rule by itself",
          "[config][tokens]") {
    const Setup setup;
    const auto load = [&](const std::string& listener, const std::string& item) {
        return setup.load_with(fmt::format(
            R"("listeners": [{{"name": "tcp", {}}}], "workloads": {{"app": {{"match": [{{{}}}]}}}},)",
            listener, item));
    };
    const std::string good = R"("kind": "coco", "loopback_tcp": true)";
    const std::string alone = R"("socket": "tcp")";
    const auto loaded = load(good, alone);
    REQUIRE_OK(loaded);
    CHECK(loaded->listeners.at(0).loopback_tcp);
    CHECK(loaded->listeners.at(0).path.empty());
    for (const char* const more : {R"("path": "/run/x")", R"("mode": "0600")", R"("group": "web")",
                                   R"("world_accessible": true)"}) {
        INFO(more);
        REQUIRE_ERRC(Errc::bad_config, load(good + ", " + more, alone));
    }
    REQUIRE_ERRC(Errc::bad_config, load(R"("path": "/run/x", "loopback_tcp": true)", alone));
    REQUIRE_ERRC(Errc::bad_config,
                 load(R"("kind": "admin", "path": "/run/x", "loopback_tcp": true)", R"("uid": 1)"));
    REQUIRE_ERRC(Errc::missing_key, load(R"("kind": "coco")", alone));
    for (const char* const more : {R"("uid": 1)", R"("unit": "a.service")", R"("gid": 1)",
                                   R"("slice": "a.slice")", R"("selinux": "x")"}) {
        INFO(more);
        REQUIRE_ERRC(Errc::bad_config, load(good, alone + ", " + more));
        REQUIRE_OK(load(good, more));  // for another listener's callers
    }
}

}  // namespace attestd::config_test
