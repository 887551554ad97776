// Keys of JOSE: which are taken, how they are written, and their thumbprints.
#include "quote/jose/jwk.h"

#include <openssl/pem.h>

#include "tests/unit/quote/jose/jose_samples.h"

using namespace attestd;
using namespace attestd::test;

namespace {

// RFC 7518 appendix C, Bob's key.
const std::string kBobX = "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ";
const std::string kBobY = "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck";
// RFC 7638 section 3.1.
const std::string kModulus =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPeb"
    "WKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368Q"
    "QMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2"
    "NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

nlohmann::json bob() {
    return {{"kty", "EC"}, {"crv", "P-256"}, {"alg", "ECDH-ES+A256KW"}, {"x", kBobX}, {"y", kBobY}};
}

nlohmann::json rsa() {
    return {{"kty", "RSA"}, {"alg", "RSA-OAEP-256"}, {"n", kModulus}, {"e", "AQAB"}};
}

Bytes decoded(const std::string& text) { return from_base64url(text, "sample").value(); }

struct JwkRow {
    const char* name;
    nlohmann::json jwk;
    Errc want;
};

nlohmann::json with(nlohmann::json jwk, const char* key, const nlohmann::json& value) {
    if (value.is_null()) {
        jwk.erase(key);
    } else {
        jwk[key] = value;
    }
    return jwk;
}

}  // namespace

TEST_CASE("JWK: the example of RFC 7638 has its thumbprint", "[quote][jose]") {
    const auto key = read_jwk(rsa().dump());
    REQUIRE_OK(key);
    CHECK(key->kind() == JoseKeyKind::rsa2048);
    CHECK(to_base64url(key->thumbprint()) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

TEST_CASE("JWK: a key is written with exactly the members that a broker takes", "[quote][jose]") {
    const auto ec = read_jwk(bob().dump());
    REQUIRE_OK(ec);
    CHECK(ec->jwk() == bob().dump());  // the library writes members in alphabetical order too
    const auto modulus = read_jwk(rsa().dump());
    REQUIRE_OK(modulus);
    CHECK(modulus->jwk() == rsa().dump());
}

TEST_CASE("JWK: what is not such a key is refused for its own reason", "[quote][jose]") {
    const std::string other(kBobX.rbegin(), kBobX.rend());
    const std::vector<JwkRow> rows{
        {"symmetric", with(bob(), "kty", "oct"), Errc::jose_algorithm},
        {"P-384", with(bob(), "crv", "P-384"), Errc::jose_algorithm},
        {"direct agreement", with(bob(), "alg", "ECDH-ES"), Errc::jose_algorithm},
        {"RSA's algorithm on EC", with(bob(), "alg", "RSA-OAEP-256"), Errc::jose_algorithm},
        {"RSA1_5", with(rsa(), "alg", "RSA1_5"), Errc::jose_algorithm},
        {"RSA-OAEP with SHA-1", with(rsa(), "alg", "RSA-OAEP"), Errc::jose_algorithm},
        {"no alg", with(bob(), "alg", nullptr), Errc::missing_key},
        {"no y", with(bob(), "y", nullptr), Errc::missing_key},
        {"a private half", with(bob(), "d", kBobX), Errc::unknown_key},
        {"a use", with(rsa(), "use", "enc"), Errc::unknown_key},
        {"off the curve", with(bob(), "y", kBobX), Errc::bad_value},
        {"x over the field", with(bob(), "x", to_base64url(Bytes(32, 0xff))), Errc::bad_value},
        {"zeros", with(with(bob(), "x", to_base64url(Bytes(32))), "y", to_base64url(Bytes(32))),
         Errc::bad_value},
        {"x too short", with(bob(), "x", to_base64url(Bytes(31, 1))), Errc::bad_length},
        {"x too long", with(bob(), "x", to_base64url(Bytes(33))), Errc::bad_length},
        {"P-521's length", with(bob(), "crv", "P-521"), Errc::bad_length},
        {"padding", with(bob(), "x", kBobX + "="), Errc::bad_encoding},
        {"a number", with(bob(), "x", 1), Errc::wrong_type},
        {"a long text", with(bob(), "x", std::string(2000, 'A')), Errc::too_large},
        {"1024 bits", with(rsa(), "n", to_base64url(Bytes(128, 0xc1))), Errc::bad_length},
        {"a leading zero", with(rsa(), "n", to_base64url(Bytes(257, 0xc1))), Errc::bad_length},
        {"2047 bits", with(rsa(), "n", to_base64url(Bytes(256, 0x41))), Errc::bad_value},
        {"an even modulus", with(rsa(), "n", to_base64url(Bytes(256, 0xc0))), Errc::bad_value},
        {"exponent 3", with(rsa(), "e", "Aw"), Errc::bad_value},
        {"exponent with a zero", with(rsa(), "e", "AAEAAQ"), Errc::bad_value},
    };
    for (const JwkRow& row : rows) {
        INFO(row.name);
        REQUIRE_ERRC(row.want, read_jwk(row.jwk.dump()));
    }
    REQUIRE_ERRC(Errc::duplicate_key, read_jwk(R"({"kty":"EC","kty":"EC"})"));
    REQUIRE_ERRC(Errc::wrong_type, read_jwk("[]"));
}

TEST_CASE("JWK: an ephemeral key names no algorithm, and is never RSA", "[quote][jose]") {
    const auto read = [](const nlohmann::json& jwk) -> Result<JosePublicKey> {
        ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(jwk.dump(), "epk"));
        return JosePublicKey::from_epk(document.root());
    };
    REQUIRE_OK(read(with(bob(), "alg", nullptr)));
    REQUIRE_ERRC(Errc::unknown_key, read(bob()));
    REQUIRE_ERRC(Errc::jose_algorithm, read(with(rsa(), "alg", nullptr)));
}

TEST_CASE("JWK: a fresh key of each kind can be written, read and made OpenSSL's again",
          "[quote][jose]") {
    const auto kind =
        GENERATE(JoseKeyKind::p256, JoseKeyKind::p521, JoseKeyKind::rsa2048, JoseKeyKind::rsa3072);
    const auto key = JosePrivateKey::generate(kind);
    REQUIRE_OK(key);
    CHECK(key->public_key().kind() == kind);
    const auto again = read_jwk(key->public_key().jwk());
    REQUIRE_OK(again);
    CHECK(*again == key->public_key());
    const auto handle = key->to_openssl();
    REQUIRE_OK(handle);
    const auto copy = JosePrivateKey::copy_of(**handle);
    REQUIRE_OK(copy);
    CHECK(copy->public_key() == key->public_key());
    // OpenSSL's own check of the pair: the private numbers are those of the public key.
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, handle->get(), nullptr));
    CHECK(EVP_PKEY_pairwise_check(ctx.get()) == 1);
}

TEST_CASE("JWK: a coordinate that begins with zero keeps its length", "[quote][jose]") {
    for (int tries = 0; tries < 20'000; ++tries) {
        const auto key = JosePrivateKey::generate(JoseKeyKind::p256);
        REQUIRE_OK(key);
        const auto jwk = nlohmann::json::parse(key->public_key().jwk());
        if (decoded(jwk["x"])[0] != 0) continue;
        CHECK(decoded(jwk["x"]).size() == 32);
        REQUIRE_OK(read_jwk(jwk.dump()));
        const auto short_x = to_base64url(ByteView(decoded(jwk["x"])).subspan(1));
        REQUIRE_ERRC(Errc::bad_length, read_jwk(with(jwk, "x", short_x).dump()));
        return;
    }
    FAIL("no such key in 20000");
}

TEST_CASE("JWK: keys of other kinds than these are not copied", "[quote][jose]") {
    const EvpPkey p384(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-384"));
    const EvpPkey x25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519"));
    const EvpPkey small(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024}));
    for (const EvpPkey* key : {&p384, &x25519, &small}) {
        REQUIRE_ERRC(Errc::jose_algorithm, JosePrivateKey::copy_of(**key));
    }
    const auto public_half = read_jwk(bob().dump())->to_openssl();
    REQUIRE_ERRC(Errc::crypto_failed, JosePrivateKey::copy_of(**public_half));
}

TEST_CASE("JWK: a private key is written as PEM that OpenSSL reads as the same key",
          "[quote][jose]") {
    const auto kind = GENERATE(JoseKeyKind::p256, JoseKeyKind::p521, JoseKeyKind::rsa2048);
    for (int i = 0; i < (kind == JoseKeyKind::rsa2048 ? 1 : 16); ++i) {
        const auto key = JosePrivateKey::generate(kind);
        REQUIRE_OK(key);
        const auto pem = key->pem();
        REQUIRE_OK(pem);
        const std::string text = pem->expose([](ByteView b) { return std::string(as_text(b)); });
        const bool is_rsa = kind == JoseKeyKind::rsa2048;
        CHECK(text.starts_with(is_rsa ? "-----BEGIN RSA PRIVATE KEY-----\n"
                                      : "-----BEGIN PRIVATE KEY-----\n"));
        const std::unique_ptr<BIO, Free<BIO_free_all>> in(
            BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
        const EvpPkey read(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
        REQUIRE(read);
        const auto again = JosePrivateKey::copy_of(*read);
        REQUIRE_OK(again);
        CHECK(again->public_key() == key->public_key());
        CHECK(again->pem().value() == *pem);
        CHECK(BIO_eof(in.get()) == 1);
    }
}
