// Key brokers in configuration: what is taken, what is refused, and where a resource lies.
#include "config/kbs_resource.h"
#include "tests/support/catch.h"
#include "tests/unit/config/setup.h"

namespace attestd::config_test {
namespace {

Result<Config> broker_with(const std::string& members, const std::string& more = "") {
    Setup setup;
    setup.dir.write("signer.pem", std::string_view("signer"));
    setup.dir.write("init.toml", std::string_view("version = \"0.1.0\""));
    return setup.load_with(R"("sources": {"broker": {"type": "kbs", )" + members + "}}," + more);
}

const std::string kGood = R"("url": "https://kbs.example:8080/x", "token_signer": "@/signer.pem")";

}  // namespace

TEST_CASE("configuration: a key broker by its defaults, and with all that can be said",
          "[config][kbs]") {
    const auto least = broker_with(kGood);
    REQUIRE_OK(least);
    const KbsSourceConfig& broker = least->brokers.at("broker");
    CHECK(broker.url == "https://kbs.example:8080/x");
    CHECK(as_text(broker.token_signer.value().bytes) == "signer");
    CHECK(broker.protocol == KbsProtocol::v0_4_0);
    CHECK(broker.tee_key == TeeKeyType::p256);
    CHECK(broker.timeout == std::chrono::seconds(50));
    CHECK_FALSE(broker.accept_warning);
    CHECK_FALSE(broker.discover_token_signer);
    CHECK(broker.extra_params.empty());

    const auto most =
        broker_with(kGood +
                    R"(, "token_algorithm": "RS384", "tee_key": "rsa3072", "legacy_tee_names": true,
            "extra_params": {"id": "a", "n": [1]}, "init_data": "@/init.toml", "accept_warning": true,
            "timeout": "5m", "fetch_socket": "/run/f.sock")");
    REQUIRE_OK(most);
    const KbsSourceConfig& all = most->brokers.at("broker");
    CHECK(all.token_algorithm == "RS384");
    CHECK(all.tee_key == TeeKeyType::rsa3072);
    CHECK(all.extra_params == R"({"id":"a","n":[1]})");
    CHECK(all.init_data.has_value());
    CHECK(all.fetch_socket == "/run/f.sock");
    const auto old =
        broker_with(R"("url": "https://k", "discover_token_signer": true, "protocol": "0.2.0")");
    REQUIRE_OK(old);
    CHECK(old->brokers.at("broker").protocol == KbsProtocol::v0_2_0);
    CHECK(most->digest != least->digest);
}

TEST_CASE("configuration: what cannot be said of a key broker is refused by name",
          "[config][kbs]") {
    struct Row {
        const char* name;
        std::string members;
        Errc want;
        const char* says;
    };
    const std::string url = R"("url": "https://k")";
    const auto row = GENERATE_COPY(values<Row>(
        {{"no address", R"("token_signer": "@/signer.pem")", Errc::missing_key, "url"},
         {"plain http", R"("url": "http://k", "token_signer": "@/signer.pem")", Errc::bad_value,
          "https://"},
         {"user information", R"("url": "https://a@k", "token_signer": "@/signer.pem")",
          Errc::bad_value, "https://"},
         {"a slash at the end", R"("url": "https://k/", "token_signer": "@/signer.pem")",
          Errc::bad_value, "https://"},
         {"no signer", url, Errc::bad_config, "must name a file"},
         {"a signer and anybody",
          url + R"(, "token_signer": "@/signer.pem", "discover_token_signer": true)",
          Errc::bad_config, "one of them"},
         {"a signer that is not there", url + R"(, "token_signer": "@/none.pem")", Errc::not_found,
          "none.pem"},
         {"another protocol", kGood + R"(, "protocol": "0.1.1")", Errc::bad_value, "0.4.0"},
         {"another key", kGood + R"(, "tee_key": "p384")", Errc::bad_value, "p521"},
         {"another algorithm", kGood + R"(, "token_algorithm": "HS256")", Errc::bad_value, "ES256"},
         {"parameters that are no object", kGood + R"(, "extra_params": ["a"])", Errc::wrong_type,
          "extra_params"},
         {"the hash list", kGood + R"(, "extra_params": {"supported-hash-algorithms": []})",
          Errc::bad_config, "attestd's own"},
         {"many parameters",
          kGood + R"(, "extra_params": {"a": ")" + std::string(20000, 'x') + "\"}", Errc::too_large,
          "16384"},
         {"no time", kGood + R"(, "timeout": "1ms")", Errc::bad_value, "at least"},
         {"too much time", kGood + R"(, "timeout": "6m")", Errc::bad_value, "5m"},
         {"init-data in 0.2.0", kGood + R"(, "protocol": "0.2.0", "init_data": "@/init.toml")",
          Errc::bad_config, "init_data"},
         {"an unknown key", kGood + R"(, "path": "/x")", Errc::unknown_key, "path"}}));
    INFO(row.name);
    const auto refused = broker_with(row.members);
    REQUIRE_ERRC(row.want, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring(row.says));
}

TEST_CASE("configuration: a broker's secret names a place there", "[config][kbs]") {
    const auto secret_at = [](const std::string& name, const std::string& resource) {
        const std::string member = resource.empty() ? "" : R"(, "resource": ")" + resource + "\"";
        return broker_with(kGood, kApp + R"("secrets": {")" + name +
                                      R"(": {"source": "broker", "allow": ["app"])" + member +
                                      "}},");
    };
    REQUIRE_OK(secret_at("default/db/password", ""));
    REQUIRE_OK(secret_at("db", "kbs+plug:///a/b?c=d"));
    REQUIRE_ERRC(Errc::bad_name, secret_at("db/password", ""));
    REQUIRE_ERRC(Errc::bad_name, secret_at("db", "a/b/../c"));
    REQUIRE_ERRC(
        Errc::bad_reference,
        broker_with(kGood, kApp + R"("secrets": {"a/b/c": {"source": "other", "allow": []}},)"));
}

TEST_CASE("configuration: a store's remote slot may be a broker's secret", "[config][kbs]") {
    const auto slot = [](const std::string& resource) {
        return broker_with(
            kGood +
            R"(}, "store": {"type": "store", "remote_slot": {"source": "broker", "resource": ")" +
            resource + "\"}");
    };
    const auto good = slot("default/keys/store");
    REQUIRE_OK(good);
    CHECK(good->slot_secrets.at("store").resource == "default/keys/store");
    REQUIRE_ERRC(Errc::bad_name, slot("keys/store"));
}

TEST_CASE("key broker: a resource's path on the server", "[config][kbs]") {
    CHECK(kbs_path_of("default/db/pass.word-1_A").value() == "resource/default/db/pass.word-1_A");
    CHECK(kbs_path_of("kbs:///a/b/c").value() == "resource/a/b/c");
    CHECK(kbs_path_of("kbs+nebula-ca:///credential?name=a&ip=10.9.8.7/21").value() ==
          "nebula-ca/credential?name=a&ip=10.9.8.7/21");
    CHECK(kbs_path_of("kbs+pkcs11:///resource/a/b/c").value() == "pkcs11/resource/a/b/c");
    const auto bad = GENERATE(
        as<std::string>(), "", "a", "a/b", "a/b/c/d", "a//c", "/a/b/c", "a/b/c/", ".a/b/c",
        "a/../c", "a/b/c?x=1", "a/b/c#", "a/b/%63", "a/b/c d", "kbs://host/a/b/c", "kbs:///a/b",
        "kbs:a/b/c", "kbs+:///a", "kbs+p://h/a", "kbs+p:///", "kbs+p:///a/../b", "kbs+p:///.a",
        "kbs+p:///a?b=c d", "kbs+p:///a?b#c", "kbs+p/x:///a", "kbs+p:///a?b\"c", "KBS:///a/b/c",
        "kbs+p:///a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a");
    INFO(bad);
    REQUIRE_ERRC(Errc::bad_name, kbs_path_of(bad));
    REQUIRE_ERRC(Errc::bad_name, kbs_path_of("a/b/" + std::string(1024, 'c')));
}

}  // namespace attestd::config_test
