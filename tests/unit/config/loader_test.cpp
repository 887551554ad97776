// The loader: what is taken as given, and what is refused, where, and in which words.
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

TEST_CASE("config: an external verifier has a socket and no policy", "[config]") {
    const Setup setup;
    const auto good = setup.load(
        R"({"verifier": {"type": "external", "socket": "/run/v.sock", "timeout": "2s"}})");
    REQUIRE_OK(good);
    CHECK(good->verifier.type == VerifierType::external);
    CHECK(good->verifier.socket == "/run/v.sock");
    CHECK(good->verifier.timeout == std::chrono::seconds(2));
    CHECK_FALSE(good->verifier.collateral.fetch);
    CHECK_FALSE(good->is_test_setup());
    const auto test =
        setup.load(R"({"verifier": {"type": "external", "socket": "/run/v.sock", "test": true}})");
    REQUIRE_OK(test);
    CHECK(test->is_test_setup());
    struct Row {
        const char* members;
        Errc code;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {R"("socket": "/s", "policy": "/p")", Errc::unknown_key, "verifier.policy"},
        {R"("socket": "/s", "trust_anchors": [])", Errc::unknown_key, "verifier.trust_anchors"},
        {R"("max_age": "1m")", Errc::missing_key, "\"socket\""},
        {R"("socket": "s")", Errc::bad_value, "absolute path"},
        {R"("socket": "/s", "timeout": "1ms")", Errc::bad_value, "at least"},
    }));
    INFO(row.members);
    const auto refused =
        setup.load(std::string(R"({"verifier": {"type": "external", )") + row.members + "}}");
    REQUIRE_ERRC(row.code, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
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
        {"platform that nobody knows", R"("platform": {"type": "sgx"},)", Errc::bad_value,
         "\"tdx_guest\", \"azure_vtpm\" and \"external\" is expected, this is \"sgx\""},
        {"azure_vtpm with a level", R"("platform": {"type": "azure_vtpm", "vmpl": 1},)",
         Errc::unknown_key, "platform.vmpl"},
        {"azure_vtpm with half a path", R"("platform": {"type": "azure_vtpm", "socket": "s"},)",
         Errc::bad_value, "platform.socket"},
        {"no PCR at all", R"("sources": {"store": {"type": "store", "vtpm_pcrs": []}},)",
         Errc::bad_config, "name one PCR at least"},
        {"a PCR twice", R"("sources": {"store": {"type": "store", "vtpm_pcrs": [7, 7]}},)",
         Errc::bad_config, "named twice"},
        {"a PCR over 23", R"("sources": {"store": {"type": "store", "vtpm_pcrs": [24]}},)",
         Errc::bad_value, "vtpm_pcrs"},
        {"privlevel over 3", R"("platform": {"type": "configfs_tsm", "privlevel": 4},)",
         Errc::bad_value, "platform.privlevel"},
        {"service that nobody knows",
         R"("platform": {"type": "configfs_tsm", "service": {"provider": "tdvf"}},)",
         Errc::bad_value, "platform.service.provider: \"svsm\" is the one"},
        {"service without provider", R"("platform": {"type": "configfs_tsm", "service": {}},)",
         Errc::missing_key, "\"provider\""},
        {"service by another name",
         R"("platform": {"type": "configfs_tsm", "service": {"provider": "svsm", "guid": "vtpm"}},)",
         Errc::bad_value, "platform.service.guid: a GUID in lower case"},
        {"version of no service",
         R"("platform": {"type": "configfs_tsm", "service": {"provider": "svsm", "manifest_version": 1}},)",
         Errc::bad_value, "goes with \"guid\""},
        {"service of sev_guest",
         R"("platform": {"type": "sev_guest", "service": {"provider": "svsm"}},)",
         Errc::unknown_key, "platform.service"},
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
        {"source of a later build", R"("sources": {"b": {"type": "external"}},)", Errc::bad_config,
         "sources.b.type: \"external\" is not supported by this build"},
        {"source with a bad name", R"("sources": {"a/b": {"type": "store"}},)", Errc::bad_name,
         "an id is"},
        {"audit sync", R"("audit": {"sync": "never"},)", Errc::bad_value,
         "\"batched\" or \"each\""},
        {"a small audit file", R"("audit": {"max_size": 1000},)", Errc::bad_value,
         "at least 65536 bytes"},
        {"a hand-over to anybody", R"("hand_over": {},)", Errc::missing_key, "\"policy\""},
        {"a hand-over by a relative path", R"("hand_over": {"policy": "next.json"},)",
         Errc::bad_value, "hand_over.policy: an absolute path"},
        {"a hand-over policy that is not there", R"("hand_over": {"policy": "@/next.json"},)",
         Errc::not_found, "next.json"},
        {"duration", R"("limits": {"idle_timeout": "30"},)", Errc::bad_encoding,
         "limits.idle_timeout: a duration"},
        {"zero duration", R"("limits": {"idle_timeout": "0s"},)", Errc::bad_value, "at least"},
        {"zero limit", R"("limits": {"connections": 0},)", Errc::bad_value, "between 1 and 65536"},
        {"fraction", R"("limits": {"connections": 1.5},)", Errc::wrong_type,
         "an integer is expected"},
        {"binding that nobody knows", R"("config_binding": "luck",)", Errc::bad_value,
         "\"mrconfigid\" and \"rtmr3\""},
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

TEST_CASE(
    "config: stored secrets are handed over to nobody, or by the policy that is named and digested",
    "[config]") {
    const Setup setup;
    const auto without = setup.load_with("");
    REQUIRE_OK(without);
    CHECK_FALSE(without->hand_over_policy.has_value());
    const auto loaded = [&](std::string_view policy) {
        setup.dir.write("next.json", policy);
        const auto config = setup.load_with(R"("hand_over": {"policy": "@/next.json"},)");
        REQUIRE_OK(config);
        REQUIRE(config->hand_over_policy.has_value());
        CHECK(as_text(config->hand_over_policy->bytes) == policy);
        return config->digest;
    };
    CHECK(loaded("{}") != loaded("{ }"));
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

}  // namespace attestd::config_test
