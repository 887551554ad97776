#include "quote/jose/jws.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>

#include "quote/base/base64url.h"
#include "quote/base/secret.h"

namespace attestd {
namespace {

constexpr JsonLimits kJwsHeaderLimits{.max_len = 65536, .max_depth = 8};
constexpr int kMinJwsRsaBits = 2048, kMaxJwsRsaBits = 4096;

using JwsEcdsaSig = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;
using JwsParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using JwsParams = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using JwsNumber = std::unique_ptr<BIGNUM, Free<BN_free>>;

struct JwsRow {
    JwsAlgorithm algorithm;
    std::string_view name;
    std::size_t coordinate_len;  // of an elliptic curve; 0: RSA
    bool is_pss;
    const EVP_MD* (*digest)();
};

constexpr std::array<JwsRow, 7> kJwsRows{{{JwsAlgorithm::es256, "ES256", 32, false, &EVP_sha256},
                                          {JwsAlgorithm::es384, "ES384", 48, false, &EVP_sha384},
                                          {JwsAlgorithm::rs256, "RS256", 0, false, &EVP_sha256},
                                          {JwsAlgorithm::rs384, "RS384", 0, false, &EVP_sha384},
                                          {JwsAlgorithm::ps256, "PS256", 0, true, &EVP_sha256},
                                          {JwsAlgorithm::ps384, "PS384", 0, true, &EVP_sha384},
                                          {JwsAlgorithm::ps512, "PS512", 0, true, &EVP_sha512}}};

const JwsRow& jws_row(JwsAlgorithm algorithm) noexcept {
    return kJwsRows.at(static_cast<std::size_t>(algorithm));
}

// 32 or 48: bytes of a coordinate of the key's curve; 0: RSA; nothing: a key of another kind.
std::optional<std::size_t> jws_coordinate_len(const EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        const int bits = EVP_PKEY_get_bits(key);
        if (bits < kMinJwsRsaBits || bits > kMaxJwsRsaBits) return std::nullopt;
        return 0;
    }
    if (EVP_PKEY_is_a(key, "EC") != 1) return std::nullopt;
    std::array<char, 32> group{};
    std::size_t len = 0;
    if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &len) != 1) return std::nullopt;
    const std::string_view name(group.data(), len);
    if (name == "prime256v1") return 32;
    if (name == "secp384r1") return 48;
    return std::nullopt;
}

EvpPkey jws_openssl_key(const char* type, OSSL_PARAM* params) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        clear_crypto_errors();
        return nullptr;
    }
    return EvpPkey(key);
}

Result<Bytes> jws_number(JsonObject& in, std::string_view name) {
    ATTESTD_TRY(const JsonValue value, in.required(name));
    ATTESTD_TRY(const std::string text, value.text());
    return from_base64url(text, value.path());
}

Result<EvpPkey> jws_ec_key(JsonObject& in) {
    ATTESTD_TRY(const JsonValue curve_value, in.required("crv"));
    ATTESTD_TRY(const std::string curve, curve_value.text());
    if (curve != "P-256" && curve != "P-384")
        return curve_value.fail_here(Errc::bad_value, "P-256 or P-384 is expected");
    const std::size_t len = curve == "P-256" ? 32 : 48;
    Bytes point{0x04};  // RFC 7518 section 6.2.1: coordinates of full length
    for (const char* const name : {"x", "y"}) {
        ATTESTD_TRY(const Bytes number, jws_number(in, name));
        if (number.size() != len)
            return in.value().fail_here(Errc::bad_value,
                                        "a coordinate has another length than "
                                        "its curve's");
        point.insert(point.end(), number.begin(), number.end());
    }
    const JwsParamBuilder builder(OSSL_PARAM_BLD_new());
    if (!builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.c_str(),
                                        0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
        return fail_crypto("a JWK's point");
    }
    const JwsParams params(OSSL_PARAM_BLD_to_param(builder.get()));
    EvpPkey key = params ? jws_openssl_key("EC", params.get()) : nullptr;
    if (!key) return in.value().fail_here(Errc::bad_value, "the key is not a point on its curve");
    return key;
}

Result<EvpPkey> jws_rsa_key(JsonObject& in) {
    ATTESTD_TRY(const Bytes modulus, jws_number(in, "n"));
    ATTESTD_TRY(const Bytes exponent, jws_number(in, "e"));
    const bool fits = modulus.size() <= kMaxJwsRsaBits / 8 && !exponent.empty() &&
                      exponent.size() <= 4 && (exponent.back() & 1) == 1 &&
                      (exponent.size() > 1 || exponent[0] >= 3);
    if (!fits) return in.value().fail_here(Errc::bad_value, "this is no RSA key of ours");
    const JwsNumber n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
    const JwsNumber e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
    const JwsParamBuilder builder(OSSL_PARAM_BLD_new());
    if (!n || !e || !builder ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
        return fail_crypto("a JWK's modulus");
    }
    const JwsParams params(OSSL_PARAM_BLD_to_param(builder.get()));
    EvpPkey key = params ? jws_openssl_key("RSA", params.get()) : nullptr;
    if (!key) return in.value().fail_here(Errc::bad_value, "this is no RSA key");
    return key;
}

Result<std::optional<JwsAlgorithm>> jws_key_algorithm(JsonObject& in,
                                                      std::optional<JwsAlgorithm> algorithm) {
    const auto value = in.optional("alg");
    if (!value) return algorithm;
    ATTESTD_TRY(const std::string text, value->text());
    const auto named = jws_algorithm_named(text);
    if (!named) return value->fail_here(Errc::token_algorithm, "not an algorithm that is taken");
    if (algorithm && *algorithm != *named)
        return value->fail_here(Errc::token_algorithm, "not the algorithm that is configured");
    return named;
}

// RFC 7518 section 3.4: r and s, each of the curve's length; OpenSSL takes DER.
Bytes jws_der_signature(ByteView raw) {
    const std::size_t half = raw.size() / 2;
    const JwsEcdsaSig signature(ECDSA_SIG_new());
    JwsNumber r(BN_bin2bn(raw.data(), static_cast<int>(half), nullptr));
    JwsNumber s(BN_bin2bn(raw.data() + half, static_cast<int>(half), nullptr));
    if (!signature || !r || !s || ECDSA_SIG_set0(signature.get(), r.get(), s.get()) != 1) return {};
    static_cast<void>(r.release());
    static_cast<void>(s.release());
    unsigned char* der = nullptr;
    const int len = i2d_ECDSA_SIG(signature.get(), &der);
    if (len <= 0) return {};
    Bytes out(der, der + len);
    OPENSSL_free(der);
    return out;
}

tl::unexpected<Error> jws_malformed(std::string_view why) {
    return fail(Errc::token_malformed, fmt::format("token: {}", why));
}

Result<Bytes> jws_part(std::string_view text, std::string_view what) {
    auto bytes = from_base64url(text, what);
    if (!bytes) return jws_malformed(bytes.error().detail);
    return bytes;
}

Result<JsonDocument> jws_header(std::string_view text) {
    ATTESTD_TRY(const Bytes bytes, jws_part(text, "header"));
    auto document = JsonDocument::parse(as_text(bytes), "token header", kJwsHeaderLimits);
    if (!document) return jws_malformed(to_string(document.error()));
    if (!document->root().is_object()) return jws_malformed("its header is no object");
    return document;
}

Result<JwsAlgorithm> jws_header_algorithm(const JsonDocument& header) {
    ATTESTD_TRY(JsonObject in, header.root().object());
    if (in.optional("crit"))
        return jws_malformed("its header demands what is not understood here (\"crit\")");
    const auto value = in.optional("alg");
    if (!value || !value->is_text()) return jws_malformed("its header names no algorithm");
    ATTESTD_TRY(const std::string text, value->text());
    const auto named = jws_algorithm_named(text);
    if (named) return *named;
    return value->fail_here(Errc::token_algorithm, "no algorithm that a token may be signed with");
}

}  // namespace

std::string_view jws_algorithm_name(JwsAlgorithm algorithm) noexcept {
    return jws_row(algorithm).name;
}

std::optional<JwsAlgorithm> jws_algorithm_named(std::string_view name) noexcept {
    for (const JwsRow& row : kJwsRows) {
        if (row.name == name) return row.algorithm;
    }
    return std::nullopt;
}

Result<JwsKey> JwsKey::pinned(EvpPkey key, std::optional<JwsAlgorithm> algorithm) {
    const auto len = jws_coordinate_len(key.get());
    if (!len)
        return fail(Errc::bad_value,
                    "a token's signer has a key of P-256, P-384 or RSA with 2048 to 4096 bits");
    if (!algorithm) {
        algorithm = *len == 32   ? JwsAlgorithm::es256
                    : *len == 48 ? JwsAlgorithm::es384
                                 : JwsAlgorithm::rs256;
    }
    if (jws_row(*algorithm).coordinate_len == *len) return JwsKey(std::move(key), *algorithm);
    return fail(Errc::token_algorithm,
                fmt::format("the signer's key cannot be used with {}", jws_row(*algorithm).name));
}

Result<JwsKey> JwsKey::from_spki(ByteView der, std::optional<JwsAlgorithm> algorithm) {
    const unsigned char* at = der.data();
    EvpPkey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
    if (!key || at != der.data() + der.size()) {
        clear_crypto_errors();
        return fail(Errc::bad_value, "a token's signer: not one public key");
    }
    return pinned(std::move(key), algorithm);
}

Result<JwsKey> JwsKey::from_jwk(const JsonValue& jwk, std::optional<JwsAlgorithm> algorithm) {
    ATTESTD_TRY(JsonObject in, jwk.object());
    if (in.optional("d")) return jwk.fail_here(Errc::bad_value, "a private key has no place here");
    if (const auto use = in.optional("use")) {
        ATTESTD_TRY(const std::string text, use->text());
        if (text != "sig") return use->fail_here(Errc::bad_value, "the key is not for signatures");
    }
    ATTESTD_TRY(const auto wanted, jws_key_algorithm(in, algorithm));
    ATTESTD_TRY(const JsonValue type, in.required("kty"));
    ATTESTD_TRY(const std::string kty, type.text());
    if (kty != "EC" && kty != "RSA")
        return type.fail_here(Errc::bad_value, "EC or RSA is expected");
    ATTESTD_TRY(EvpPkey key, kty == "EC" ? jws_ec_key(in) : jws_rsa_key(in));
    return pinned(std::move(key), wanted);
}

bool JwsKey::is_same_key(const JwsKey& other) const noexcept {
    const bool same = EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
    if (!same) clear_crypto_errors();
    return same;
}

bool JwsKey::verify(ByteView message, ByteView signature) const {
    const JwsRow& row = jws_row(algorithm_);
    Bytes der;
    if (row.coordinate_len != 0) {
        if (signature.size() != 2 * row.coordinate_len) return false;
        der = jws_der_signature(signature);
        signature = der;
    }
    const EvpMdCtx ctx(EVP_MD_CTX_new());
    EVP_PKEY_CTX* pkey = nullptr;  // owned by ctx
    bool good =
        ctx && EVP_DigestVerifyInit(ctx.get(), &pkey, row.digest(), nullptr, key_.get()) == 1;
    if (good && row.is_pss) {
        // RFC 7518 section 3.5: MGF1 with the same hash, salt as long as it.
        good = EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(pkey, row.digest()) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, RSA_PSS_SALTLEN_DIGEST) == 1;
    }
    good = good && EVP_DigestVerify(ctx.get(), signature.data(), signature.size(), message.data(),
                                    message.size()) == 1;
    if (!good) clear_crypto_errors();
    return good;
}

Jws::~Jws() {
    wipe_text(signed_part_);
    wipe_bytes(payload_);
    wipe_bytes(signature_);
}

Result<Jws> Jws::parse(std::string_view compact) {
    if (compact.size() > kMaxJwsLen) return jws_malformed("over 512 KiB");
    const auto first = compact.find('.');
    const auto second = first == compact.npos ? first : compact.find('.', first + 1);
    if (second == compact.npos || compact.find('.', second + 1) != compact.npos)
        return jws_malformed("three parts with dots between them are expected");
    ATTESTD_TRY(JsonDocument header, jws_header(compact.substr(0, first)));
    ATTESTD_TRY(const JwsAlgorithm algorithm, jws_header_algorithm(header));
    Jws out(std::move(header), algorithm);
    out.signed_part_ = compact.substr(0, second);
    ATTESTD_TRY(out.payload_, jws_part(compact.substr(first + 1, second - first - 1), "payload"));
    ATTESTD_TRY(out.signature_, jws_part(compact.substr(second + 1), "signature"));
    return out;
}

Result<void> Jws::verify(const JwsKey& key) const {
    if (algorithm_ != key.algorithm()) {
        return fail(
            Errc::token_algorithm,
            fmt::format("the token is signed with {}, its signer's key is for {}",
                        jws_algorithm_name(algorithm_), jws_algorithm_name(key.algorithm())));
    }
    if (key.verify(as_bytes(signed_part_), signature_)) return {};
    return fail(Errc::token_signature, "the token is not signed by this key");
}

}  // namespace attestd
