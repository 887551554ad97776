#include "quote/jose/jwk.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <span>
#include <vector>

#include "quote/base/base64url.h"

namespace attestd {
namespace {

constexpr std::array<std::uint8_t, 3> kExponent{0x01, 0x00, 0x01};
constexpr std::size_t kMaxText = 1024;  // of a member: 4096 bits are 683 characters
constexpr std::size_t kNumRsaNumbers = 6;
constexpr std::array<const char*, kNumRsaNumbers> kRsaNumbers{
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,   OSSL_PKEY_PARAM_RSA_FACTOR2,
    OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1};

constexpr bool is_rsa(JoseKeyKind kind) noexcept {
    return kind != JoseKeyKind::p256 && kind != JoseKeyKind::p521;
}

constexpr std::string_view curve_name(JoseKeyKind kind) noexcept {
    return kind == JoseKeyKind::p256 ? "P-256" : "P-521";
}

// d is as long as the modulus, the other numbers of an RSA key half as long.
std::size_t rsa_number_len(JoseKeyKind kind, std::size_t index) noexcept {
    return index == 0 ? jose_field_len(kind) : jose_field_len(kind) / 2;
}

std::size_t private_len(JoseKeyKind kind) noexcept {
    return is_rsa(kind) ? jose_field_len(kind) / 2 * (kNumRsaNumbers + 1) : jose_field_len(kind);
}

// OpenSSL's parameters are not const though they are only read; its integers are in the machine's
// byte order.
OSSL_PARAM number_param(const char* key, ByteView native) {
    return OSSL_PARAM_construct_BN(key, const_cast<std::uint8_t*>(native.data()), native.size());
}

Bytes swapped(ByteView number) {
    static_assert(std::endian::native == std::endian::little);
    return {number.rbegin(), number.rend()};
}

Result<EvpPkey> key_from(JoseKeyKind kind, int selection, std::vector<OSSL_PARAM> params) {
    params.push_back(OSSL_PARAM_construct_end());
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, is_rsa(kind) ? "RSA" : "EC", nullptr));
    EVP_PKEY* key = nullptr;
    if (!ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &key, selection, params.data()) != 1) {
        return fail_crypto("making a key of its numbers");
    }
    return EvpPkey(key);
}

// What an elliptic-curve key of OpenSSL's is made from, public half and curve. The buffers live as
// long as this.
class PointParams {
 public:
    PointParams(JoseKeyKind curve, ByteView x, ByteView y) : group_(curve_name(curve)) {
        encoded_.reserve(1 + x.size() + y.size());
        encoded_.push_back(0x04);  // uncompressed, SEC 1 section 2.3.3
        encoded_.insert(encoded_.end(), x.begin(), x.end());
        encoded_.insert(encoded_.end(), y.begin(), y.end());
    }
    std::vector<OSSL_PARAM> params() {
        return {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group_.data(), 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded_.data(),
                                                  encoded_.size())};
    }

 private:
    std::string group_;
    Bytes encoded_;
};

Result<std::string> take_text(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, object.required(key));
    ATTESTD_TRY(std::string text, value.text());
    if (text.size() > kMaxText) return value.fail_here(Errc::too_large, "too long");
    return text;
}

Result<Bytes> take_number(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const std::string text, take_text(object, key));
    return from_base64url(text, key);
}

Result<void> expect_algorithm(JsonObject& object, JoseAlgorithm algorithm) {
    ATTESTD_TRY(const std::string text, take_text(object, "alg"));
    if (text == jose_name(algorithm)) return {};
    return object.value().fail_here(
        Errc::jose_algorithm,
        fmt::format("the algorithm of this key is {}, another is named", jose_name(algorithm)));
}

Result<JosePublicKey> take_point(JsonObject& object) {
    ATTESTD_TRY(const std::string crv, take_text(object, "crv"));
    if (crv != "P-256" && crv != "P-521") {
        return object.value().fail_here(Errc::jose_algorithm, "the curve is not P-256 or P-521");
    }
    ATTESTD_TRY(const Bytes x, take_number(object, "x"));
    ATTESTD_TRY(const Bytes y, take_number(object, "y"));
    ATTESTD_CHECK(object.finish());
    return JosePublicKey::from_point(crv == "P-256" ? JoseKeyKind::p256 : JoseKeyKind::p521, x, y);
}

Result<JosePublicKey> take_modulus(JsonObject& object) {
    ATTESTD_TRY(const Bytes n, take_number(object, "n"));
    ATTESTD_TRY(const Bytes e, take_number(object, "e"));
    ATTESTD_CHECK(object.finish());
    return JosePublicKey::from_rsa(n, e);
}

// Reads one number of a key, padded to `to`. False when the key has none, or a longer one.
bool read_number(const EVP_PKEY& key, const char* name, std::span<std::uint8_t> to) {
    std::array<OSSL_PARAM, 2> params{OSSL_PARAM_construct_BN(name, to.data(), to.size()),
                                     OSSL_PARAM_construct_end()};
    return EVP_PKEY_get_params(&key, params.data()) == 1 && OSSL_PARAM_modified(params.data()) == 1;
}

Result<Bytes> read_public(const EVP_PKEY& key, const char* name, std::size_t len) {
    Bytes native(len);
    if (!read_number(key, name, native)) return fail_crypto("reading a public number");
    return swapped(native);
}

std::optional<JoseKeyKind> kind_of(const EVP_PKEY& key) {
    if (EVP_PKEY_is_a(&key, "RSA") == 1) {
        const int bits = EVP_PKEY_get_bits(&key);
        if (bits == 2048) return JoseKeyKind::rsa2048;
        if (bits == 3072) return JoseKeyKind::rsa3072;
        if (bits == 4096) return JoseKeyKind::rsa4096;
        return std::nullopt;
    }
    std::array<char, 32> group{};
    if (EVP_PKEY_is_a(&key, "EC") != 1 ||
        EVP_PKEY_get_group_name(&key, group.data(), group.size(), nullptr) != 1) {
        return std::nullopt;
    }
    const std::string_view name(group.data());
    if (name == "prime256v1" || name == "P-256") return JoseKeyKind::p256;
    if (name == "secp521r1" || name == "P-521") return JoseKeyKind::p521;
    return std::nullopt;
}

Result<JosePublicKey> public_half(const EVP_PKEY& key, JoseKeyKind kind) {
    const std::size_t len = jose_field_len(kind);
    if (!is_rsa(kind)) {
        ATTESTD_TRY(const Bytes x, read_public(key, OSSL_PKEY_PARAM_EC_PUB_X, len));
        ATTESTD_TRY(const Bytes y, read_public(key, OSSL_PKEY_PARAM_EC_PUB_Y, len));
        return JosePublicKey::from_point(kind, x, y);
    }
    ATTESTD_TRY(const Bytes n, read_public(key, OSSL_PKEY_PARAM_RSA_N, len));
    ATTESTD_TRY(const Bytes e, read_public(key, OSSL_PKEY_PARAM_RSA_E, kExponent.size()));
    return JosePublicKey::from_rsa(n, e);
}

Result<Secret> private_numbers(const EVP_PKEY& key, JoseKeyKind kind) {
    ATTESTD_TRY(Secret numbers, Secret::zeroed(private_len(kind)));
    const bool good = numbers.fill([&](std::span<std::uint8_t> to) {
        if (!is_rsa(kind)) return read_number(key, OSSL_PKEY_PARAM_PRIV_KEY, to);
        for (std::size_t i = 0; i < kNumRsaNumbers; ++i) {
            const std::size_t len = rsa_number_len(kind, i);
            if (!read_number(key, kRsaNumbers.at(i), to.first(len))) return false;
            to = to.subspan(len);
        }
        return true;
    });
    if (!good) return fail_crypto("reading the private half of a key");
    return numbers;
}

EvpPkey generate_openssl(JoseKeyKind kind) {
    if (!is_rsa(kind)) {
        const std::string curve(curve_name(kind));
        return EvpPkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.c_str()));
    }
    return EvpPkey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", 8 * jose_field_len(kind)));
}

}  // namespace

std::string_view jose_name(JoseAlgorithm algorithm) noexcept {
    return algorithm == JoseAlgorithm::ecdh_es_a256kw ? "ECDH-ES+A256KW" : "RSA-OAEP-256";
}

JoseAlgorithm jose_algorithm(JoseKeyKind kind) noexcept {
    return is_rsa(kind) ? JoseAlgorithm::rsa_oaep_256 : JoseAlgorithm::ecdh_es_a256kw;
}

std::size_t jose_field_len(JoseKeyKind kind) noexcept {
    switch (kind) {
        case JoseKeyKind::p256:
            return 32;
        case JoseKeyKind::p521:
            return 66;
        case JoseKeyKind::rsa2048:
            return 256;
        case JoseKeyKind::rsa3072:
            return 384;
        case JoseKeyKind::rsa4096:
            return 512;
    }
    return 0;
}

Result<JosePublicKey> JosePublicKey::from_point(JoseKeyKind curve, ByteView x, ByteView y) {
    if (is_rsa(curve)) return fail(Errc::jose_algorithm, "an RSA key has no point");
    const std::size_t len = jose_field_len(curve);
    if (x.size() != len || y.size() != len) {
        return fail(Errc::bad_length,
                    fmt::format("a coordinate on {} has {} bytes, here are {} and {}",
                                curve_name(curve), len, x.size(), y.size()));
    }
    JosePublicKey key(curve, to_bytes(x), to_bytes(y));
    // Both curves have the cofactor 1: a point on the curve is one of the group.
    if (key.to_openssl()) return key;
    return fail(Errc::bad_value, fmt::format("the point is not on {}", curve_name(curve)));
}

Result<JosePublicKey> JosePublicKey::from_rsa(ByteView modulus, ByteView exponent) {
    const auto kind = modulus.size() == 256   ? JoseKeyKind::rsa2048
                      : modulus.size() == 384 ? JoseKeyKind::rsa3072
                                              : JoseKeyKind::rsa4096;
    if (modulus.size() != jose_field_len(kind)) {
        return fail(Errc::bad_length, "an RSA modulus has 2048, 3072 or 4096 bits");
    }
    if ((modulus.front() & 0x80) == 0 || (modulus.back() & 1) == 0) {
        return fail(Errc::bad_value, "the RSA modulus is even or begins with a zero bit");
    }
    if (!equal(exponent, kExponent)) return fail(Errc::bad_value, "the RSA exponent is not 65537");
    return JosePublicKey(kind, to_bytes(modulus), to_bytes(exponent));
}

Result<JosePublicKey> JosePublicKey::from_jwk(const JsonValue& jwk) {
    ATTESTD_TRY(JsonObject object, jwk.object());
    ATTESTD_TRY(const std::string kty, take_text(object, "kty"));
    if (kty != "EC" && kty != "RSA") {
        return jwk.fail_here(Errc::jose_algorithm, "the type of key is not EC or RSA");
    }
    const bool ec = kty == "EC";
    ATTESTD_CHECK(
        expect_algorithm(object, ec ? JoseAlgorithm::ecdh_es_a256kw : JoseAlgorithm::rsa_oaep_256));
    return ec ? take_point(object) : take_modulus(object);
}

Result<JosePublicKey> JosePublicKey::from_epk(const JsonValue& epk) {
    ATTESTD_TRY(JsonObject object, epk.object());
    ATTESTD_TRY(const std::string kty, take_text(object, "kty"));
    if (kty != "EC") return epk.fail_here(Errc::jose_algorithm, "an ephemeral key is EC");
    return take_point(object);
}

std::string JosePublicKey::required_members() const {
    const std::string first = to_base64url(first_);
    const std::string second = to_base64url(second_);
    if (is_rsa(kind_)) return fmt::format(R"({{"e":"{}","kty":"RSA","n":"{}"}})", second, first);
    return fmt::format(R"({{"crv":"{}","kty":"EC","x":"{}","y":"{}"}})", curve_name(kind_), first,
                       second);
}

std::string JosePublicKey::jwk() const {
    return fmt::format(R"({{"alg":"{}",)", jose_name(jose_algorithm(kind_))) +
           required_members().substr(1);
}

Sha256 JosePublicKey::thumbprint() const { return sha256(as_bytes(required_members())); }

Result<EvpPkey> JosePublicKey::to_openssl() const {
    if (!is_rsa(kind_)) {
        PointParams point(kind_, first_, second_);
        return key_from(kind_, EVP_PKEY_PUBLIC_KEY, point.params());
    }
    const Bytes n = swapped(first_);
    const Bytes e = swapped(second_);
    return key_from(
        kind_, EVP_PKEY_PUBLIC_KEY,
        {number_param(OSSL_PKEY_PARAM_RSA_N, n), number_param(OSSL_PKEY_PARAM_RSA_E, e)});
}

Result<JosePrivateKey> JosePrivateKey::generate(JoseKeyKind kind) {
    const EvpPkey key = generate_openssl(kind);
    if (!key) return fail_crypto("making a key");
    return copy_of(*key);
}

Result<JosePrivateKey> JosePrivateKey::copy_of(const EVP_PKEY& key) {
    const auto kind = kind_of(key);
    if (!kind) {
        return fail(Errc::jose_algorithm,
                    "the key is not on P-256 or P-521, nor RSA of 2048, 3072 "
                    "or 4096 bits");
    }
    ATTESTD_TRY(JosePublicKey half, public_half(key, *kind));
    ATTESTD_TRY(Secret numbers, private_numbers(key, *kind));
    return JosePrivateKey(std::move(half), std::move(numbers));
}

Result<EvpPkey> JosePrivateKey::to_openssl() const {
    const JoseKeyKind kind = public_.kind();
    return numbers_.expose([&](ByteView numbers) {
        if (!is_rsa(kind)) {
            PointParams point(kind, public_.first_, public_.second_);
            std::vector<OSSL_PARAM> params = point.params();
            params.push_back(number_param(OSSL_PKEY_PARAM_PRIV_KEY, numbers));
            return key_from(kind, EVP_PKEY_KEYPAIR, std::move(params));
        }
        const Bytes n = swapped(public_.first_);
        const Bytes e = swapped(public_.second_);
        std::vector<OSSL_PARAM> params{number_param(OSSL_PKEY_PARAM_RSA_N, n),
                                       number_param(OSSL_PKEY_PARAM_RSA_E, e)};
        for (std::size_t i = 0; i < kNumRsaNumbers; ++i) {
            const std::size_t len = rsa_number_len(kind, i);
            params.push_back(number_param(kRsaNumbers.at(i), numbers.first(len)));
            numbers = numbers.subspan(len);
        }
        return key_from(kind, EVP_PKEY_KEYPAIR, std::move(params));
    });
}

}  // namespace attestd
