// JWE against what others computed: RFC 7518 appendix C, RFC 3394, and the recorded responses of a
// key broker.
#include <openssl/core_names.h>

#include <algorithm>
#include <map>

#include "quote/jose/internal/primitives.h"
#include "tests/support/vectors.h"
#include "tests/unit/quote/jose/jose_samples.h"

using namespace attestd;
using namespace attestd::test;

namespace {

Bytes b64u(const char* text) { return from_base64url(text, "sample").value(); }

std::string hex_of(const Secret& secret) {
    return secret.expose([](ByteView bytes) { return to_hex(bytes); });
}

Secret hex_secret(const char* hex) {
    return Secret::copy_of(from_hex(hex, "sample").value()).value();
}

// A private key on P-256 out of its scalar and point.
EvpPkey p256_key(ByteView x, ByteView y, Bytes scalar) {
    Bytes point{0x04};
    point.insert(point.end(), x.begin(), x.end());
    point.insert(point.end(), y.begin(), y.end());
    std::reverse(scalar.begin(), scalar.end());
    std::string group = "P-256";
    std::array<OSSL_PARAM, 4> params{
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, scalar.data(), scalar.size()),
        OSSL_PARAM_construct_end()};
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    EVP_PKEY* key = nullptr;
    REQUIRE(EVP_PKEY_fromdata_init(ctx.get()) == 1);
    REQUIRE(EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_KEYPAIR, params.data()) == 1);
    return EvpPkey(key);
}

// "reject" of the recorded file, by the reason that we give.
const std::map<std::string, Errc> kRefusals{
    {"ecdh-p256-bad-tag", Errc::jwe_undecrypted},
    {"ecdh-p256-short-tag", Errc::bad_encoding},  // its text was cut: bits are left over
    {"ecdh-p256-bad-wrapped-key", Errc::jwe_undecrypted},
    {"ecdh-p256-bad-ciphertext", Errc::jwe_undecrypted},
    {"ecdh-p256-wrong-key", Errc::jwe_undecrypted},
    {"ecdh-p256-epk-off-curve", Errc::bad_value},
    {"alg-not-allowed", Errc::jose_algorithm},
    {"enc-not-allowed", Errc::jose_algorithm},
    {"rsa-oaep-sha1-labelled-256", Errc::jwe_undecrypted},
    {"rsa1_5-refused", Errc::jose_algorithm},
};

Result<Secret> opened(const nlohmann::json& test) {
    const JosePrivateKey key = key_from_pem(test["private_key_pem"]);
    ATTESTD_TRY(const Jwe jwe, Jwe::parse(test["jwe"].dump(), "response"));
    return jwe.decrypt(key);
}

}  // namespace

TEST_CASE("JWE: key agreement and Concat KDF give what RFC 7518 appendix C gives",
          "[quote][jose]") {
    const Bytes alice_x = b64u("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0");
    const Bytes alice_y = b64u("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps");
    const EvpPkey alice =
        p256_key(alice_x, alice_y, b64u("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo"));
    const auto bob = JosePublicKey::from_point(JoseKeyKind::p256,
                                               b64u("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ"),
                                               b64u("e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck"));
    REQUIRE_OK(bob);
    const auto z = jose::agree(*alice, *bob->to_openssl().value());
    REQUIRE_OK(z);
    CHECK(hex_of(*z) == "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4");
    const auto key = jose::concat_kdf(*z, "A128GCM", as_bytes("Alice"), as_bytes("Bob"), 16);
    REQUIRE_OK(key);
    CHECK(hex_of(*key) == to_hex(b64u("VqqN6vgjbSBcIijNcacQGg")));
}

TEST_CASE("JWE: key wrap gives what RFC 3394 section 4.6 gives", "[quote][jose]") {
    const Secret kek =
        hex_secret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    const Secret content =
        hex_secret("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
    const auto wrapped = jose::wrap_key(kek, content);
    REQUIRE_OK(wrapped);
    CHECK(to_hex(*wrapped) ==
          "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
    const auto unwrapped = jose::unwrap_key(kek, *wrapped);
    REQUIRE_OK(unwrapped);
    CHECK(*unwrapped == content);
}

TEST_CASE("JWE: recorded responses of a key broker open, or are refused for the right reason",
          "[quote][jose]") {
    NEED_VECTORS(file, "kbs/response-jwe.json");
    const auto document = nlohmann::json::parse(load_text(file));
    std::size_t num_opened = 0, num_refused = 0;
    for (const auto& test : document["cases"]) {
        const std::string name = test["name"];
        INFO(name);
        const auto plaintext = opened(test);
        if (test["expect"] != "ok") {
            REQUIRE(kRefusals.contains(name));
            REQUIRE_ERRC(kRefusals.at(name), plaintext);
            ++num_refused;
            continue;
        }
        REQUIRE_OK(plaintext);
        CHECK(hex_of(*plaintext) ==
              test.value("plaintext_hex", document["plaintext_hex"].get<std::string>()));
        ++num_opened;
    }
    CHECK(num_opened == 5);
    CHECK(num_refused == kRefusals.size());
}
