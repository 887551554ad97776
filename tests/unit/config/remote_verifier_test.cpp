// Verifiers on the network in configuration: what is taken, and what is refused.
#include "config/lint.h"
#include "tests/support/catch.h"
#include "tests/unit/config/setup.h"

namespace attestd::config_test {
namespace {

Result<Config> verifier_with(const std::string& members) {
    Setup setup;
    setup.dir.write("signer.pem", std::string_view("signer"));
    setup.dir.write("ark.pem", std::string_view("ark"));
    return setup.load(R"({"verifier": {)" + members + "}}");
}

const std::string kIta = R"("type": "ita", "url": "https://api.example", "issuer": "https://p",
                            "api_key_file": "/etc/attestd/ita.key")";
const std::string kKeys = R"(, "token_keys_url": "https://p/certs")";
const std::string kMaa = R"("type": "maa", "url": "https://m.attest.example")";
const std::string kVeraison = R"("type": "veraison", "url": "https://v")";
const std::string kCocoAs = R"("type": "coco_as", "url": "https://as")";
const std::string kKbs = R"("type": "kbs", "url": "https://k", "token_signer": "@/signer.pem")";

}  // namespace

TEST_CASE("configuration: verifiers on the network by their defaults, and with all there is to say",
          "[config][remote]") {
    const auto ita =
        verifier_with(kIta + kKeys +
                      R"(, "token_signer": "@/signer.pem", "policies": ["a", "b"], "audience": "us",
        "accept_warning": true, "timeout": "5m", "max_age": "1m", "fetch_socket": "/f", "test": true)");
    REQUIRE_OK(ita);
    const VerifierConfig& all = ita->verifier;
    CHECK(all.type == VerifierType::ita);
    CHECK(all.is_test());
    CHECK(all.timeout == std::chrono::minutes(5));
    CHECK_FALSE(all.collateral.fetch);
    CHECK_FALSE(all.keys_by_tls_alone());
    REQUIRE(all.remote);
    CHECK(all.remote->api_key_file == "/etc/attestd/ita.key");
    CHECK(all.remote->policies == std::vector<std::string>{"a", "b"});
    CHECK(all.remote->audience == "us");
    CHECK(all.remote->accept_warning);
    CHECK(all.remote->crl == CrlRule::require);

    const auto rooted = verifier_with(kIta + kKeys + R"(, "crl": "soft", "root_sha256": ")" +
                                      std::string(64, 'a') + "\"");
    REQUIRE_OK(rooted);
    CHECK(rooted->verifier.remote->crl == CrlRule::soft);
    REQUIRE(rooted->verifier.remote->signer_root);
    CHECK(rooted->verifier.remote->signer_root->front() == 0xaa);
    CHECK_FALSE(rooted->verifier.keys_by_tls_alone());

    const auto maa = verifier_with(kMaa + kKeys + R"(, "endorsements": ["@/ark.pem"])");
    REQUIRE_OK(maa);
    CHECK(maa->verifier.remote->issuer == "https://m.attest.example");
    CHECK(maa->verifier.remote->api_version == "2025-06-01");
    CHECK(as_text(maa->verifier.remote->endorsements.at(0).bytes) == "ark");
    CHECK(maa->verifier.keys_by_tls_alone());
    const auto findings = lint(*maa);
    CHECK(std::any_of(findings.begin(), findings.end(),
                      [](const auto& f) { return f.id == "verifier.any-signer"; }));

    const auto veraison = verifier_with(kVeraison + R"(, "token_signer": "@/signer.pem")");
    REQUIRE_OK(veraison);
    CHECK(veraison->verifier.remote->issuer.empty());
    CHECK_FALSE(veraison->verifier.is_test());

    const auto kbs =
        verifier_with(kKbs + R"(, "tee": "az-snp-vtpm", "issuer": "i", "policies": ["p"],
                                   "timeout": "7s")");
    REQUIRE_OK(kbs);
    REQUIRE(kbs->verifier.broker);
    CHECK(kbs->verifier.broker->tee == Tee::snp);
    CHECK(kbs->verifier.broker->is_azure);
    CHECK(kbs->verifier.broker->issuer == "i");
    CHECK(kbs->verifier.timeout == std::chrono::seconds(7));
    CHECK(kbs->digest != veraison->digest);
}

TEST_CASE("configuration: an attestation service has its signer pinned, or its discovery by name",
          "[config][remote]") {
    const auto pinned = verifier_with(kCocoAs + R"(, "token_signer": "@/signer.pem")");
    REQUIRE_OK(pinned);
    CHECK(pinned->verifier.type == VerifierType::coco_as);
    CHECK(pinned->verifier.remote->policies == std::vector<std::string>{"default"});
    CHECK(pinned->verifier.remote->token_keys_url.empty());
    CHECK_FALSE(pinned->verifier.remote->init_data);
    CHECK_FALSE(pinned->verifier.keys_by_tls_alone());

    const auto found =
        verifier_with(kCocoAs + R"(, "discover_token_signer": true, "policies": ["a"],
                                                  "init_data": "@/ark.pem")");
    REQUIRE_OK(found);
    CHECK(found->verifier.remote->token_keys_url == "https://as/.well-known/jwks.json");
    CHECK(found->verifier.remote->policies == std::vector<std::string>{"a"});
    CHECK(as_text(found->verifier.remote->init_data->bytes) == "ark");
    CHECK(found->verifier.keys_by_tls_alone());
}

TEST_CASE("configuration: what cannot be said of a verifier on the network is refused by name",
          "[config][remote]") {
    struct Row {
        const char* name;
        std::string members;
        Errc want;
        const char* says;
    };
    const auto row = GENERATE_COPY(values<Row>(
        {{"no signer and no key set", kIta, Errc::bad_config, "token_signer"},
         {"no API key", R"("type": "ita", "url": "https://a", "issuer": "i")" + kKeys,
          Errc::missing_key, "api_key_file"},
         {"no issuer", R"("type": "ita", "url": "https://a", "api_key_file": "/k")" + kKeys,
          Errc::missing_key, "issuer"},
         {"plain http", R"("type": "maa", "url": "http://m")" + kKeys, Errc::bad_value, "https://"},
         {"a plain key set", kMaa + R"(, "token_keys_url": "http://m/certs")", Errc::bad_value,
          "https://"},
         {"a version that is an address", kMaa + kKeys + R"(, "api_version": "1&x=y")",
          Errc::bad_value, "version"},
         {"an empty policy", kMaa + kKeys + R"(, "policies": [""])", Errc::bad_value, "policies"},
         {"policies that are none", kMaa + kKeys + R"(, "policies": "a")", Errc::wrong_type,
          "policies"},
         {"an API key for another", kVeraison + kKeys + R"(, "api_key_file": "/k")",
          Errc::unknown_key, "api_key_file"},
         {"the key itself", kIta + kKeys + R"(, "api_key": "k")", Errc::unknown_key, "api_key"},
         {"a policy file", kVeraison + kKeys + R"(, "policy": "/p")", Errc::unknown_key, "policy"},
         {"too much time", kVeraison + kKeys + R"(, "timeout": "6m")", Errc::bad_value, "5m"},
         {"a certificate that is not there", kMaa + kKeys + R"(, "endorsements": ["@/none"])",
          Errc::not_found, "none"},
         {"no TEE", kKbs, Errc::missing_key, "tee"},
         {"another TEE", kKbs + R"(, "tee": "sgx")", Errc::bad_value, "az-snp-vtpm"},
         {"a broker without a signer", R"("type": "kbs", "url": "https://k", "tee": "snp")",
          Errc::bad_config, "token_signer"},
         {"no signer and no discovery", kCocoAs, Errc::bad_config, "token_signer"},
         {"a signer and discovery",
          kCocoAs + R"(, "token_signer": "@/signer.pem", "discover_token_signer": true)",
          Errc::bad_config, "one of them must go"},
         {"an address of keys that is known",
          kCocoAs + R"(, "token_signer": "@/signer.pem")" + kKeys, Errc::unknown_key,
          "token_keys_url"},
         {"discovery of another kind", kVeraison + kKeys + R"(, "discover_token_signer": true)",
          Errc::unknown_key, "discover_token_signer"},
         {"an unknown rule", kIta + kKeys + R"(, "crl": "never")", Errc::bad_value, "soft"},
         {"a rule for no chain", kIta + R"(, "token_signer": "@/signer.pem", "crl": "soft")",
          Errc::bad_config, "token_keys_url"},
         {"a rule of another kind", kMaa + kKeys + R"(, "crl": "soft")", Errc::unknown_key, "crl"},
         {"a digest that is none", kIta + kKeys + R"(, "root_sha256": "ab")", Errc::bad_encoding,
          "root_sha256"},
         {"two roots",
          kIta + kKeys + R"(, "token_signer": "@/signer.pem", "root_sha256": ")" +
              std::string(64, 'a') + "\"",
          Errc::bad_config, "one of them must go"},
         {"an unknown type", R"("type": "gca", "url": "https://g")", Errc::bad_value,
          "veraison"}}));
    INFO(row.name);
    const auto refused = verifier_with(row.members);
    REQUIRE_ERRC(row.want, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring(row.says));
}

}  // namespace attestd::config_test
