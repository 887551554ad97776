// The token of a verifier on the network: each lie has its own error.
#include "agent/remote/token.h"

#include <openssl/hmac.h>

#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::token_test {
namespace {

using nlohmann::json;
using namespace remote_test;

constexpr std::array<JwsAlgorithm, 1> kOnlyEs256{JwsAlgorithm::es256};

struct Setting {
    test::JwsForge key{"P-256"};
    std::shared_ptr<ScriptedNetwork> network = std::make_shared<ScriptedNetwork>();
    TokenRules rules{kOnlyEs256, "https://verifier.example", "us"};

    Result<VerifiedToken> judge(const std::string& token) {
        RemoteVerifierConfig config;
        config.token_keys_url = "https://verifier.example/certs";
        network->answers.insert_or_assign("/certs", answered(200, key_set({named_jwk(key, "1")})));
        auto keys = TokenKeys::make(config, network, [] { return BootTime(); });
        REQUIRE_OK(keys);
        return verify_token(token, rules, *keys, kNow, soon());
    }
    std::string sign(const json& claims,
                     const json& header = {{"alg", "ES256"}, {"kid", "1"}, {"typ", "JWT"}}) const {
        return key.sign("ES256", header, claims.dump());
    }
};

std::string hmac_token(const Setting& s) {
    const std::string text = to_base64url(as_bytes(R"({"alg":"HS256","kid":"1"})")) + "." +
                             to_base64url(as_bytes(sound_claims().dump()));
    const Bytes secret = s.key.spki();
    Bytes mac(32);
    unsigned len = 0;
    REQUIRE(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                 as_bytes(text).data(), text.size(), mac.data(), &len) != nullptr);
    return text + "." + to_base64url(mac);
}

}  // namespace

TEST_CASE("remote token: a sound one is taken, with its times and claims", "[remote]") {
    Setting s;
    const auto token = s.judge(s.sign(sound_claims()));
    REQUIRE_OK(token);
    CHECK(token->times.issued == kNow - std::chrono::seconds(10));
    CHECK(token->times.expires == kNow + std::chrono::seconds(300));
    json many = sound_claims();
    many["aud"] = {"them", "us"};
    REQUIRE_OK(s.judge(s.sign(many)));
    REQUIRE_OK(s.judge(s.sign(sound_claims(), {{"alg", "ES256"}, {"kid", "1"}})));
    REQUIRE_OK(s.judge(s.sign(sound_claims(), {{"alg", "ES256"}})));  // no "kid": the one key
}

TEST_CASE("remote token: claims that are absent or wrong are refused by name", "[remote]") {
    struct Row {
        const char* name;
        const char* claim;
        json value;  // null: taken away
        Errc want;
    };
    const Row rows[] = {
        {"expired", "exp", kSeconds, Errc::token_expired},
        {"no end", "exp", nullptr, Errc::token_malformed},
        {"an end in words", "exp", "tomorrow", Errc::token_malformed},
        {"an end with a fraction", "exp", kSeconds + 10.5, Errc::token_malformed},
        {"no beginning", "iat", nullptr, Errc::token_malformed},
        {"from the future", "iat", kSeconds + 61, Errc::token_expired},
        {"not before later", "nbf", kSeconds + 61, Errc::token_expired},
        {"a life of days", "exp", kSeconds + 100'000, Errc::token_malformed},
        {"another issuer", "iss", "https://other.example", Errc::token_issuer},
        {"an issuer off by a slash", "iss", "https://verifier.example/", Errc::token_issuer},
        {"an issuer in capitals", "iss", "https://Verifier.example", Errc::token_issuer},
        {"no issuer", "iss", nullptr, Errc::token_malformed},
        {"issuers", "iss", {"https://verifier.example"}, Errc::token_malformed},
        {"another audience", "aud", "them", Errc::token_audience},
        {"other audiences", "aud", {"them", "those"}, Errc::token_audience},
        {"no audience", "aud", nullptr, Errc::token_audience},
        {"an audience that is no text", "aud", 7, Errc::token_audience},
    };
    Setting s;
    for (const Row& row : rows) {
        INFO(row.name);
        json claims = sound_claims();
        if (row.value.is_null())
            claims.erase(row.claim);
        else
            claims[row.claim] = row.value;
        REQUIRE_ERRC(row.want, s.judge(s.sign(claims)));
    }
}

TEST_CASE(
    "remote token: skew is taken for a minute, and a token without end where that is the rule",
    "[remote]") {
    Setting s;
    json claims = sound_claims();
    claims["iat"] = claims["nbf"] = kSeconds + 60;
    REQUIRE_OK(s.judge(s.sign(claims)));
    claims.erase("exp");
    s.rules.end = TokenEnd::optional;
    const auto endless = s.judge(s.sign(claims));
    REQUIRE_OK(endless);
    CHECK_FALSE(endless->times.expires);
}

TEST_CASE("remote token: headers, algorithms and keys that are not the configured ones are refused",
          "[remote]") {
    Setting s;
    const test::JwsForge stranger("P-256");
    const test::JwsForge rsa("RSA");
    const std::string good = s.sign(sound_claims());
    const std::string payload = sound_claims().dump();
    const json es256{{"alg", "ES256"}, {"kid", "1"}};
    const auto with = [&](const char* name, const json& value) {
        json header = es256;
        header[name] = value;
        return header;
    };
    const auto unsigned_token = [&](const char* alg) {
        return to_base64url(as_bytes(json{{"alg", alg}, {"kid", "1"}}.dump())) + "." +
               to_base64url(as_bytes(payload)) + ".";
    };
    std::string twice = payload;
    twice.insert(1, R"("iat":1,)");
    const struct {
        const char* name;
        std::string token;
        Errc want;
    } rows[] = {
        {"no algorithm", unsigned_token("none"), Errc::token_algorithm},
        {"no algorithm, in capitals", unsigned_token("NONE"), Errc::token_algorithm},
        {"keyed by the public key", hmac_token(s), Errc::token_algorithm},
        {"an algorithm of another kind",
         rsa.sign("RS256", {{"alg", "RS256"}, {"kid", "1"}}, payload), Errc::token_algorithm},
        {"by a stranger", stranger.sign("ES256", es256, payload), Errc::token_signature},
        {"by a stranger whose key is in the header",
         stranger.sign("ES256", with("jwk", stranger.jwk()), payload), Errc::token_signature},
        {"by a stranger by another name",
         stranger.sign("ES256", {{"alg", "ES256"}, {"kid", "2"}}, payload), Errc::token_untrusted},
        {"a key's name that is no text", s.sign(sound_claims(), with("kid", 1)),
         Errc::token_malformed},
        {"another type", s.sign(sound_claims(), with("typ", "at+jwt")), Errc::token_malformed},
        {"a type that is no text", s.sign(sound_claims(), with("typ", 1)), Errc::token_malformed},
        {"what must be understood", s.sign(sound_claims(), with("crit", {"exp"})),
         Errc::token_malformed},
        {"a claim twice", s.key.sign("ES256", es256, twice), Errc::token_malformed},
        {"claims that are none", s.key.sign("ES256", es256, "[1]"), Errc::token_malformed},
        {"two parts", good.substr(0, good.rfind('.')), Errc::token_malformed},
        {"four parts", good + ".AA", Errc::token_malformed},
        {"padding", good + "=", Errc::token_malformed},
        {"nothing", "", Errc::token_malformed},
        {"too much", std::string(256 * 1024 + 1, 'A'), Errc::token_malformed},
    };
    for (const auto& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(row.want, s.judge(row.token));
    }
}

}  // namespace attestd::remote::token_test
