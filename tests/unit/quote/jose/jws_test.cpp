// Signed tokens: by the pinned key and algorithm, or not at all.
#include "quote/jose/jws.h"

#include "quote/base/encoding.h"
#include "quote/jose/token_signers.h"
#include "quote/x509/pem.h"
#include "tests/support/jws_forge.h"

namespace attestd::jws_test {
using nlohmann::json;
using test::JwsForge;

namespace {

constexpr std::int64_t kSeconds = 1'700'000'000;
constexpr Time kNow{std::chrono::seconds(kSeconds)};

JwsKey key_of(const JwsForge& forge, std::optional<JwsAlgorithm> algorithm = std::nullopt) {
    return JwsKey::from_spki(forge.spki(), algorithm).value();
}

JwsKey key_of_jwk(const json& jwk) {
    const auto document = JsonDocument::parse(jwk.dump(), "jwk").value();
    return JwsKey::from_jwk(document.root(), std::nullopt).value();
}

Result<void> checked(const std::string& token, const JwsKey& key) {
    ATTESTD_TRY(const Jws jws, Jws::parse(token));
    return jws.verify(key);
}

Result<void> judged(const TokenSigners& signers, const std::string& token, Time now = kNow) {
    ATTESTD_TRY(const Jws jws, Jws::parse(token));
    return signers.verify(jws, now);
}

TokenSigners signers_of(const std::string& file) {
    auto out = TokenSigners::parse(as_bytes(file), "signers", std::nullopt);
    REQUIRE_OK(out);
    return *out;
}

// RFC 7515 appendix A.2 and A.3.
const char* const kPayload =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlf"
    "Q";
const json kEcKey{{"kty", "EC"},
                  {"crv", "P-256"},
                  {"x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
                  {"y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}};
const json kRsaKey{
    {"kty", "RSA"},
    {"n",
     "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4"
     "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re"
     "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX"
     "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},
    {"e", "AQAB"}};

}  // namespace

TEST_CASE("JWS: the tokens of RFC 7515 appendix A.2 and A.3 verify", "[quote][jose]") {
    const std::string ec = std::string("eyJhbGciOiJFUzI1NiJ9.") + kPayload +
                           ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
                           "KTUJqPP3-Kg6NU1Q";
    const std::string rsa =
        std::string("eyJhbGciOiJSUzI1NiJ9.") + kPayload +
        ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
        "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQ"
        "BMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6Ie"
        "YI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    REQUIRE_OK(checked(ec, key_of_jwk(kEcKey)));
    REQUIRE_OK(checked(rsa, key_of_jwk(kRsaKey)));
    REQUIRE_ERRC(Errc::token_algorithm, checked(rsa, key_of_jwk(kEcKey)));
    const auto jws = Jws::parse(ec);
    REQUIRE_OK(jws);
    CHECK(as_text(jws->payload()).starts_with("{\"iss\":\"joe\","));
}

TEST_CASE("JWS: each algorithm verifies with its key, and no other does", "[quote][jose]") {
    struct Row {
        const char* kind;
        const char* algorithm;
    };
    const auto row = GENERATE(values<Row>({{"P-256", "ES256"},
                                           {"P-384", "ES384"},
                                           {"RSA", "RS256"},
                                           {"RSA", "RS384"},
                                           {"RSA", "PS256"},
                                           {"RSA", "PS384"},
                                           {"RSA", "PS512"}}));
    INFO(row.algorithm);
    const JwsForge forge(row.kind);
    const JwsForge stranger(row.kind);
    const JwsAlgorithm algorithm = jws_algorithm_named(row.algorithm).value();
    const std::string token = forge.sign(row.algorithm, "{}");
    REQUIRE_OK(checked(token, key_of(forge, algorithm)));
    REQUIRE_ERRC(Errc::token_signature, checked(token, key_of(stranger, algorithm)));
    // Signed in one way and labelled as another, by the right key.
    for (const char* const other :
         {"ES256", "ES384", "RS256", "RS384", "PS256", "PS384", "PS512"}) {
        if (row.algorithm == std::string(other)) continue;
        const auto made = JwsKey::from_spki(forge.spki(), jws_algorithm_named(other));
        if (!made) continue;
        const std::string relabelled = forge.sign(row.algorithm, json{{"alg", other}}, "{}");
        REQUIRE_ERRC(Errc::token_signature, checked(relabelled, *made));
        REQUIRE_ERRC(Errc::token_algorithm, checked(token, *made));
    }
}

TEST_CASE("JWS: each flipped bit of a token is refused", "[quote][jose]") {
    const JwsForge forge("P-256");
    const JwsKey key = key_of(forge);
    const std::string token = forge.sign("ES256", R"({"a":1})");
    for (std::size_t i = 0; i < token.size(); ++i) {
        for (int bit = 0; bit < 7; ++bit) {
            std::string changed = token;
            changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
            INFO(i << " " << bit);
            REQUIRE_FALSE(checked(changed, key).has_value());
        }
    }
    for (std::size_t len = 0; len < token.size(); ++len)
        REQUIRE_FALSE(checked(token.substr(0, len), key).has_value());
}

TEST_CASE("JWS: headers that choose for themselves are refused by name", "[quote][jose]") {
    const JwsForge forge("P-256");
    struct Row {
        const char* name;
        json header;
        Errc want;
    };
    const auto row = GENERATE(
        values<Row>({{"none", {{"alg", "none"}}, Errc::token_algorithm},
                     {"None", {{"alg", "None"}}, Errc::token_algorithm},
                     {"HMAC", {{"alg", "HS256"}}, Errc::token_algorithm},
                     {"RSA over EC", {{"alg", "RS256"}}, Errc::token_algorithm},
                     {"ES256K", {{"alg", "ES256K"}}, Errc::token_algorithm},
                     {"no algorithm", {{"typ", "JWT"}}, Errc::token_malformed},
                     {"a number", {{"alg", 256}}, Errc::token_malformed},
                     {"crit", {{"alg", "ES256"}, {"crit", {"exp"}}}, Errc::token_malformed},
                     {"no object", json::array({1}), Errc::token_malformed}}));
    INFO(row.name);
    REQUIRE_ERRC(row.want, checked(forge.sign("ES256", row.header, "{}"), key_of(forge)));
}

TEST_CASE("JWS: what is no compact token is token_malformed", "[quote][jose]") {
    const std::string header = to_base64url(as_bytes(std::string_view(R"({"alg":"ES256"})")));
    const std::string twice =
        to_base64url(as_bytes(std::string_view(R"({"alg":"ES256","alg":"ES256"})")));
    const auto text = GENERATE_COPY(values<std::string>(
        {"", ".", "..", "...", header, header + ".e30", header + ".e30.AA.AA", "." + header + ".AA",
         header + ".e30.A", header + ".e30.AB", header + ".e3 0.AA", header + "=.e30.AA",
         twice + ".e30.AA", std::string(kMaxJwsLen + 1, 'a')}));
    INFO(text.substr(0, 60));
    REQUIRE_ERRC(Errc::token_malformed, Jws::parse(text));
}

TEST_CASE("JWS: keys that are none of ours are refused", "[quote][jose]") {
    const JwsForge p521("P-521");
    REQUIRE_ERRC(Errc::bad_value, JwsKey::from_spki(p521.spki(), std::nullopt));
    const JwsForge p256("P-256");
    REQUIRE_ERRC(Errc::token_algorithm, JwsKey::from_spki(p256.spki(), JwsAlgorithm::es384));
    Bytes longer = p256.spki();
    longer.push_back(0);
    REQUIRE_ERRC(Errc::bad_value, JwsKey::from_spki(longer, std::nullopt));

    const auto key_from = [](const json& jwk) {
        const auto document = JsonDocument::parse(jwk.dump(), "jwk").value();
        return JwsKey::from_jwk(document.root(), std::nullopt);
    };
    json jwk = p256.jwk();
    REQUIRE_OK(key_from(jwk));
    jwk["d"] = "AA";
    REQUIRE_ERRC(Errc::bad_value, key_from(jwk));
    jwk = p256.jwk();
    jwk["use"] = "enc";
    REQUIRE_ERRC(Errc::bad_value, key_from(jwk));
    jwk = p256.jwk();
    jwk["alg"] = "ES384";
    REQUIRE_ERRC(Errc::token_algorithm, key_from(jwk));
    jwk = p256.jwk();
    std::swap(jwk["x"], jwk["y"]);
    REQUIRE_ERRC(Errc::bad_value, key_from(jwk));
    jwk = p256.jwk();
    jwk["kty"] = "oct";
    REQUIRE_ERRC(Errc::bad_value, key_from(jwk));
    REQUIRE_ERRC(Errc::bad_value, key_from({{"kty", "RSA"}, {"n", "AQAB"}, {"e", "AQAB"}}));
}

TEST_CASE("token signers: keys in PEM, JWK and JWKS are pinned", "[quote][jose]") {
    const JwsForge forge("P-256");
    const JwsForge other("P-384");
    const std::string pem = to_pem("PUBLIC KEY", other.spki()) + to_pem("PUBLIC KEY", forge.spki());
    const std::string jwks = json{{"keys", {forge.jwk()}}}.dump();
    for (const std::string& file : {pem, forge.jwk().dump(), jwks}) {
        const TokenSigners signers = signers_of(file);
        REQUIRE_OK(judged(signers, forge.sign("ES256", "{}")));
        REQUIRE_ERRC(Errc::token_signature, judged(signers, JwsForge("P-256").sign("ES256", "{}")));
        REQUIRE_ERRC(Errc::token_algorithm, judged(signers, JwsForge("RSA").sign("RS256", "{}")));
        // A key that the token names itself is no signer.
        const JwsForge stranger("P-256");
        const json header{{"alg", "ES256"}, {"jwk", stranger.jwk()}};
        REQUIRE_ERRC(Errc::token_signature, judged(signers, stranger.sign("ES256", header, "{}")));
    }
    const auto bad = GENERATE(as<std::string>(), "", "{}", R"({"keys":[]})", "junk",
                              "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    CHECK_FALSE(TokenSigners::parse(as_bytes(bad), "signers", std::nullopt).has_value());
}

TEST_CASE("token signers: an authority vouches for the chain that a token brings",
          "[quote][jose]") {
    const JwsForge root("P-256");
    const JwsForge leaf("P-256");
    const JwsForge stranger("P-256");
    const Bytes root_der = jws_certificate(root, "root", root, "root", true, kSeconds);
    const Bytes leaf_der = jws_certificate(leaf, "leaf", root, "root", false, kSeconds);
    const Bytes false_der = jws_certificate(stranger, "leaf", stranger, "root", false, kSeconds);
    const TokenSigners signers = signers_of(to_pem("CERTIFICATE", root_der));
    const auto header_of = [](const JwsForge& key, const Bytes& der) {
        json jwk = key.jwk();
        jwk["x5c"] = {to_base64(der)};
        return json{{"alg", "ES256"}, {"jwk", jwk}};
    };

    REQUIRE_OK(judged(signers, leaf.sign("ES256", header_of(leaf, leaf_der), "{}")));
    const json direct{{"alg", "ES256"}, {"x5c", {to_base64(leaf_der), to_base64(root_der)}}};
    REQUIRE_OK(judged(signers, leaf.sign("ES256", direct, "{}")));

    struct Row {
        const char* name;
        std::string token;
        Errc want;
        std::int64_t later;
    };
    const std::vector<Row> rows{
        {"no chain", leaf.sign("ES256", "{}"), Errc::token_untrusted, 0},
        {"a stranger's chain", stranger.sign("ES256", header_of(stranger, false_der), "{}"),
         Errc::token_untrusted, 0},
        {"our chain beside a stranger's key",
         stranger.sign("ES256", header_of(stranger, leaf_der), "{}"), Errc::token_untrusted, 0},
        {"our chain, a stranger's signature",
         stranger.sign("ES256", header_of(leaf, leaf_der), "{}"), Errc::token_signature, 0},
        {"expired", leaf.sign("ES256", header_of(leaf, leaf_der), "{}"), Errc::token_untrusted,
         90000},
        {"not yet", leaf.sign("ES256", header_of(leaf, leaf_der), "{}"), Errc::token_untrusted,
         -7200},
        {"no certificate", leaf.sign("ES256", json{{"alg", "ES256"}, {"x5c", {"AAAA"}}}, "{}"),
         Errc::token_untrusted, 0},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(row.want, judged(signers, row.token, kNow + std::chrono::seconds(row.later)));
    }

    // A leaf that is pinned itself is a key with an end.
    const TokenSigners pinned = signers_of(to_pem("CERTIFICATE", leaf_der));
    REQUIRE_OK(judged(pinned, leaf.sign("ES256", "{}")));
    REQUIRE_ERRC(Errc::token_untrusted,
                 judged(pinned, leaf.sign("ES256", "{}"), kNow + std::chrono::seconds(90000)));
}

TEST_CASE("token signers: the key that a token names is found, or it names none", "[quote][jose]") {
    const JwsForge forge("P-256");
    const auto named =
        Jws::parse(forge.sign("ES256", json{{"alg", "ES256"}, {"jwk", forge.jwk()}}, "{}"));
    REQUIRE_OK(named);
    const auto key = key_named_by(*named);
    REQUIRE_OK(key);
    REQUIRE_OK(named->verify(*key));
    const auto nameless = Jws::parse(forge.sign("ES256", "{}"));
    REQUIRE_OK(nameless);
    REQUIRE_ERRC(Errc::token_untrusted, key_named_by(*nameless));
}

}  // namespace attestd::jws_test
