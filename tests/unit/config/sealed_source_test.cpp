// Sources of sealed secrets in configuration: what is taken, what is refused.
#include "config/kbs_resource.h"
#include "config/sealed_resource.h"
#include "tests/support/catch.h"
#include "tests/unit/config/setup.h"

namespace attestd::config_test {
namespace {

Result<Config> sealed_with(const std::string& members, const std::string& more = "") {
    const Setup setup;
    setup.dir.write("signers.json", std::string_view("{}"));
    return setup.load_with(R"("sources": {"sealed": {"type": "sealed", )" + members + R"(},
        "broker": {"type": "kbs", "url": "https://k", "discover_token_signer": true},
        "vault": {"type": "vault", "url": "https://v", "role": "r", "token_file": "/t"},
        "creds": {"type": "credential"}},)" +
                           more);
}

const std::string kSigners = R"("trusted_keys": "@/signers.json")";

std::string secret_at(const std::string& resource, const std::string& more = "") {
    return R"("workloads": {"app": {"match": [{"uid": 1000}]}}, "secrets":
        {"a": {"source": "sealed", "resource": ")" +
           resource + R"(", "allow": ["app"])" + more + "}},";
}

}  // namespace

TEST_CASE("configuration: sealed secrets by their defaults, and with all that can be said",
          "[config][sealed]") {
    const auto least = sealed_with(kSigners + R"(, "kbs": "broker")");
    REQUIRE_OK(least);
    const SealedSourceConfig& sealed = least->sealed_sources.at("sealed");
    CHECK(sealed.trusted_keys->bytes == to_bytes(as_bytes(std::string_view("{}"))));
    CHECK(sealed.broker == "broker");
    CHECK(sealed.hashi_vault.empty());
    CHECK_FALSE(sealed.unbound);
    CHECK(least->has_source("sealed"));
    CHECK(least->num_remote_sources() == 4);
    const auto most = sealed_with(R"("trusted_kids": ["kbs:///a/b/c", "kbs:///a/b/d"],
        "kbs": "broker", "vault": "vault", "transit": "team", "unbound": true)");
    REQUIRE_OK(most);
    const SealedSourceConfig& all = most->sealed_sources.at("sealed");
    CHECK(all.trusted_kids == std::vector<std::string>{"kbs:///a/b/c", "kbs:///a/b/d"});
    CHECK(all.hashi_vault == "vault");
    CHECK(all.transit_mount == "team");
    CHECK(all.unbound);
}

TEST_CASE("configuration: what cannot be said of sealed secrets is refused by name",
          "[config][sealed]") {
    struct Row {
        std::string members;
        Errc want;
        const char* says;
    };
    const std::vector<Row> rows{
        {R"("kbs": "broker")", Errc::bad_config, "who signs"},
        {kSigners, Errc::bad_config, "\"kbs\" for pointers, or one as \"vault\""},
        {R"("trusted_kids": [], "kbs": "broker")", Errc::bad_config, "who signs"},
        {R"("trusted_kids": ["kbs:///a/b/c"], "vault": "vault")", Errc::bad_config,
         "name it as \"kbs\""},
        {R"("trusted_kids": ["signer"], "kbs": "broker")", Errc::bad_value, "trusted_keys"},
        {R"("trusted_kids": ["kbs:///a/../c"], "kbs": "broker")", Errc::bad_value, "kbs:///"},
        {R"("trusted_kids": ["kbs:///a/b/c", "kbs:///a/b/c"], "kbs": "broker")", Errc::bad_config,
         "twice"},
        {kSigners + R"(, "kbs": "nobody")", Errc::bad_reference,
         "sealed.kbs: no source of type \"kbs\" is called \"nobody\""},
        {kSigners + R"(, "kbs": "vault")", Errc::bad_reference, "type \"kbs\""},
        {kSigners + R"(, "kbs": "sealed")", Errc::bad_reference, "type \"kbs\""},
        {kSigners + R"(, "vault": "broker")", Errc::bad_reference, "type \"vault\""},
        {kSigners + R"(, "vault": "creds")", Errc::bad_reference, "type \"vault\""},
        {kSigners + R"(, "kbs": "broker", "transit": "t")", Errc::bad_config, "\"vault\" names"},
        {kSigners + R"(, "vault": "vault", "transit": "a/b")", Errc::bad_value, "one part"},
        {kSigners + R"(, "vault": "vault", "transit": "..")", Errc::bad_value, "one part"},
        {R"("trusted_keys": "signers.json", "kbs": "broker")", Errc::bad_value, "absolute path"},
        {kSigners + R"(, "kbs": "broker", "skip_verification": true)", Errc::unknown_key,
         "skip_verification"}};
    for (const Row& row : rows) {
        CAPTURE(row.members);
        const auto refused = sealed_with(row.members);
        REQUIRE_ERRC(row.want, refused);
        CHECK(refused.error().detail.find(row.says) != std::string::npos);
    }
}

TEST_CASE("configuration: a sealed secret is one file or one text, of one name",
          "[config][sealed]") {
    const std::string source = kSigners + R"(, "kbs": "broker")";
    REQUIRE_OK(sealed_with(source, secret_at("/run/sealed/a")));
    REQUIRE_OK(sealed_with(source, secret_at("sealed.YQ.YQ.YQ")));
    for (const char* const resource :
         {"", "a", "run/sealed", "/", "/run/", "/run/../etc/x", "/run/./x", "sealed.YQ.YQ",
          "sealed.YQ.YQ.YQ.YQ", "sealed.Y Q.YQ.YQ", "Sealed.YQ.YQ.YQ", "kbs:///a/b/c"}) {
        CAPTURE(resource);
        REQUIRE_ERRC(Errc::bad_name, sealed_with(source, secret_at(resource)));
    }
    REQUIRE_ERRC(Errc::bad_name, sealed_form_of("sealed.YQ.YQ." + std::string(kMaxSealedLen, 'A')));
    REQUIRE_ERRC(Errc::bad_name, sealed_form_of("/" + std::string(4096, 'a')));
    REQUIRE_ERRC(Errc::bad_name, sealed_form_of(std::string("/a\0b", 4)));
    std::string two = secret_at("/run/sealed/a");
    two.insert(two.rfind("},"), R"(, "b": {"source": "sealed", "resource": "/run/sealed/a",
        "allow": []})");
    const auto refused = sealed_with(source, two);
    REQUIRE_ERRC(Errc::bad_config, refused);
    CHECK(refused.error().detail.find("a sealed secret is for one name") != std::string::npos);
}

TEST_CASE("configuration: sealed secrets are worth what their providers are", "[config][sealed]") {
    const std::string end_to_end = R"(, "require": {"min_protection": "end_to_end"})";
    REQUIRE_OK(sealed_with(kSigners + R"(, "kbs": "broker")", secret_at("/a/b", end_to_end)));
    for (const char* const providers :
         {R"(, "vault": "vault")", R"(, "kbs": "broker", "vault": "vault")"}) {
        REQUIRE_ERRC(Errc::bad_config,
                     sealed_with(kSigners + providers, secret_at("/a/b", end_to_end)));
    }
}

TEST_CASE("configuration: a sealed secret opens no store", "[config][sealed]") {
    const Setup setup;
    const auto refused = setup.load_with(R"("sources": {"sealed": {"type": "sealed",
        "trusted_kids": ["kbs:///a/b/c"], "kbs": "broker"},
        "broker": {"type": "kbs", "url": "https://k", "discover_token_signer": true},
        "store": {"type": "store", "remote_slot": {"source": "sealed", "resource": "/a/b"}}},)");
    REQUIRE_ERRC(Errc::bad_config, refused);
    CHECK(refused.error().detail.find("a sealed secret is for a workload") != std::string::npos);
}

TEST_CASE("a key broker's URI: one form, with nothing around it", "[config][sealed]") {
    CHECK(is_kbs_uri("kbs:///default/key/signer"));
    for (const char* const text :
         {"", "default/key/signer", "kbs:///default/key", "kbs://h/a/b/c", "kbs:///a/b/c/d",
          "kbs:///a/b/c?x=1", "kbs+x:///a/b/c", "KBS:///a/b/c", " kbs:///a/b/c", "kbs:///a//c"}) {
        CAPTURE(text);
        CHECK_FALSE(is_kbs_uri(text));
    }
}

}  // namespace attestd::config_test
