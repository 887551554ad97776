// Project Wycheproof's cases through PublicKey: the file's verdict, in every case.
//
// None of the five files holds a case whose result is "acceptable" (left to the implementation).
// Should an update bring one, the test fails until the decision is written into the table below.
#include <openssl/core_names.h>
#include <openssl/x509.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "quote/base/encoding.h"
#include "quote/base/public_key.h"
#include "tests/support/catch.h"
#include "tests/support/vectors.h"

using namespace attestd;
using attestd::test::load_text;
using nlohmann::json;

namespace {

// "file tcId" -> whether we accept, with the reason beside it.
const std::map<std::string, bool> kDecidedAcceptable{};

Bytes hex(const json& value) { return from_hex(value.get<std::string>(), "vector").value(); }

EvpPkey decode_key(const json& group) {
    const Bytes der =
        hex(group.contains("publicKeyDer") ? group["publicKeyDer"] : group["publicKeyAsn"]);
    const unsigned char* at = der.data();
    return EvpPkey(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
}

Bytes number(const EVP_PKEY* key, const char* name) {
    BIGNUM* bn = nullptr;
    REQUIRE(EVP_PKEY_get_bn_param(key, name, &bn) == 1);
    const std::unique_ptr<BIGNUM, Free<BN_free>> owner(bn);
    Bytes out(static_cast<std::size_t>(BN_num_bytes(bn)));
    BN_bn2bin(bn, out.data());
    return out;
}

PublicKey key_of(const json& group, KeyKind kind) {
    const EvpPkey key = decode_key(group);
    REQUIRE(key);
    if (kind == KeyKind::rsa4096) {
        return PublicKey::from_rsa(number(key.get(), OSSL_PKEY_PARAM_RSA_N),
                                   number(key.get(), OSSL_PKEY_PARAM_RSA_E))
            .value();
    }
    Bytes encoded(200);
    std::size_t len = 0;
    REQUIRE(EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY,
                                            encoded.data(), encoded.size(), &len) == 1);
    REQUIRE((len > 1 && encoded[0] == 0x04));
    return PublicKey::from_point(kind, ByteView(encoded).subspan(1, len - 1)).value();
}

enum class Form : std::uint8_t { x509, raw };

bool accepts(const PublicKey& key, Form form, ByteView message, ByteView signature) {
    if (form == Form::x509) return key.verify(message, signature);
    if (signature.size() % 2 != 0) return false;  // cannot be cut into r and s
    const std::size_t half = signature.size() / 2;
    return key.verify_raw(message, signature.first(half), signature.subspan(half));
}

bool wanted(const std::string& file, const json& test) {
    const std::string result = test["result"];
    if (result == "valid") return true;
    if (result == "invalid") return false;
    REQUIRE(result == "acceptable");
    const std::string id = file + " " + std::to_string(test["tcId"].get<int>());
    INFO("undecided: " << id);
    const auto decided = kDecidedAcceptable.find(id);
    REQUIRE(decided != kDecidedAcceptable.end());
    return decided->second;
}

void run_file(const std::filesystem::path& dir, const std::string& file, KeyKind kind, Form form,
              int num_tests) {
    const json document = json::parse(load_text(dir / file));
    int ran = 0, accepted = 0;
    for (const json& group : document["testGroups"]) {
        const PublicKey key = key_of(group, kind);
        for (const json& test : group["tests"]) {
            INFO(file << " " << test["tcId"] << ": " << test["comment"]);
            const bool good = accepts(key, form, hex(test["msg"]), hex(test["sig"]));
            CHECK(good == wanted(file, test));
            ++ran;
            accepted += good ? 1 : 0;
        }
    }
    CHECK(ran == num_tests);
    CHECK((accepted > 0 && accepted < ran));
}

}  // namespace

TEST_CASE("Wycheproof: P-256 signatures as quotes and collateral carry them",
          "[base][wycheproof]") {
    NEED_VECTORS(dir, "wycheproof");
    run_file(dir, "ecdsa_secp256r1_sha256_p1363_test.json", KeyKind::p256, Form::raw, 262);
}

TEST_CASE("Wycheproof: P-256 signatures as certificates carry them", "[base][wycheproof]") {
    NEED_VECTORS(dir, "wycheproof");
    run_file(dir, "ecdsa_secp256r1_sha256_test.json", KeyKind::p256, Form::x509, 484);
}

TEST_CASE("Wycheproof: P-384 signatures as SNP reports carry them", "[base][wycheproof]") {
    NEED_VECTORS(dir, "wycheproof");
    run_file(dir, "ecdsa_secp384r1_sha384_p1363_test.json", KeyKind::p384, Form::raw, 280);
}

TEST_CASE("Wycheproof: P-384 signatures as certificates carry them", "[base][wycheproof]") {
    NEED_VECTORS(dir, "wycheproof");
    run_file(dir, "ecdsa_secp384r1_sha384_test.json", KeyKind::p384, Form::x509, 504);
}

TEST_CASE("Wycheproof: RSASSA-PSS signatures as AMD's chain carries them", "[base][wycheproof]") {
    NEED_VECTORS(dir, "wycheproof");
    run_file(dir, "rsa_pss_4096_sha384_mgf1_48_test.json", KeyKind::rsa4096, Form::x509, 141);
}
