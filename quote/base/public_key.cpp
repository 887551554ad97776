#include "quote/base/public_key.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstdlib>

#include "quote/base/digest.h"
#include "quote/base/internal/rsa.h"

namespace attestd {
namespace {

constexpr std::size_t kRsaLen = 512;
constexpr int kPssSaltLen = 48;

constexpr std::size_t coordinate_len(KeyKind curve) noexcept {
    return curve == KeyKind::p256 ? 32 : 48;
}

using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;

EvpPkey key_from_params(const char* type, OSSL_PARAM* params) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!ctx || EVP_PKEY_fromdata_init(ctx.get()) != 1 ||
        EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        return nullptr;
    }
    return EvpPkey(key);
}

// A public key on the curve (its generator), to be copied and given another point: that costs a
// fraction of what decoding a SubjectPublicKeyInfo does. It has no private half that could stay
// behind.
EvpPkey make_template(KeyKind curve) {
    static constexpr std::array<std::uint8_t, 65> kG256{
        0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
        0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
        0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
        0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
        0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
    static constexpr std::array<std::uint8_t, 97> kG384{
        0x04, 0xaa, 0x87, 0xca, 0x22, 0xbe, 0x8b, 0x05, 0x37, 0x8e, 0xb1, 0xc7, 0x1e, 0xf3,
        0x20, 0xad, 0x74, 0x6e, 0x1d, 0x3b, 0x62, 0x8b, 0xa7, 0x9b, 0x98, 0x59, 0xf7, 0x41,
        0xe0, 0x82, 0x54, 0x2a, 0x38, 0x55, 0x02, 0xf2, 0x5d, 0xbf, 0x55, 0x29, 0x6c, 0x3a,
        0x54, 0x5e, 0x38, 0x72, 0x76, 0x0a, 0xb7, 0x36, 0x17, 0xde, 0x4a, 0x96, 0x26, 0x2c,
        0x6f, 0x5d, 0x9e, 0x98, 0xbf, 0x92, 0x92, 0xdc, 0x29, 0xf8, 0xf4, 0x1d, 0xbd, 0x28,
        0x9a, 0x14, 0x7c, 0xe9, 0xda, 0x31, 0x13, 0xb5, 0xf0, 0xb8, 0xc0, 0x0a, 0x60, 0xb1,
        0xce, 0x1d, 0x7e, 0x81, 0x9d, 0x7a, 0x43, 0x1d, 0x7c, 0x90, 0xea, 0x0e, 0x5f};
    const ByteView point = curve == KeyKind::p256 ? ByteView(kG256) : ByteView(kG384);
    const ParamBuilder builder(OSSL_PARAM_BLD_new());
    const char* group = curve == KeyKind::p256 ? "P-256" : "P-384";
    if (!builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
        return nullptr;
    }
    const Params params(OSSL_PARAM_BLD_to_param(builder.get()));
    return params ? key_from_params("EC", params.get()) : nullptr;
}

const EVP_PKEY* curve_template(KeyKind curve) {
    static const EvpPkey p256 = make_template(KeyKind::p256);
    static const EvpPkey p384 = make_template(KeyKind::p384);
    return curve == KeyKind::p256 ? p256.get() : p384.get();
}

ByteView without_leading_zeros(ByteView number) {
    while (!number.empty() && number[0] == 0) number = number.subspan(1);
    return number;
}

// r and s (big-endian, fixed length) as DER SEQUENCE of two INTEGERs. Lengths stay below 128.
std::size_t der_signature(ByteView r, ByteView s, std::span<std::uint8_t> out) {
    std::size_t at = 2;
    for (ByteView number : {r, s}) {
        while (number.size() > 1 && number[0] == 0) number = number.subspan(1);
        const bool sign_byte = (number[0] & 0x80) != 0;
        out[at++] = 0x02;
        out[at++] = static_cast<std::uint8_t>(number.size() + (sign_byte ? 1 : 0));
        if (sign_byte) out[at++] = 0;
        std::copy(number.begin(), number.end(), out.begin() + static_cast<std::ptrdiff_t>(at));
        at += number.size();
    }
    out[0] = 0x30;
    out[1] = static_cast<std::uint8_t>(at - 2);
    return at;
}

}  // namespace

Result<PublicKey> PublicKey::from_point(KeyKind curve, ByteView xy) {
    const std::size_t len = 2 * coordinate_len(curve);
    if (curve == KeyKind::rsa4096 || xy.size() != len) {
        return fail(Errc::bad_value,
                    fmt::format("a point of {} bytes is needed, {} given", len, xy.size()));
    }
    // The full uncompressed form: shorter encodings, infinity's one byte among them, cannot get
    // here.
    std::array<std::uint8_t, 97> encoded{0x04};
    std::copy(xy.begin(), xy.end(), encoded.begin() + 1);
    const EVP_PKEY* const from = curve_template(curve);
    if (from == nullptr) return fail_crypto("elliptic curve is not available");
    // OpenSSL 3.0 takes the template non-const but only reads it.
    EvpPkey key(EVP_PKEY_dup(const_cast<EVP_PKEY*>(from)));
    if (!key) return fail_crypto("copying a key");
    if (EVP_PKEY_set1_encoded_public_key(key.get(), encoded.data(), len + 1) != 1) {
        clear_crypto_errors();
        return fail(Errc::bad_value, "the public key is not a point on its curve");
    }
    return PublicKey(curve, std::move(key));
}

Result<PublicKey> PublicKey::from_rsa(ByteView modulus, ByteView exponent) {
    modulus = without_leading_zeros(modulus);
    exponent = without_leading_zeros(exponent);
    if (modulus.size() != kRsaLen || (modulus[0] & 0x80) == 0) {
        return fail(Errc::bad_value, "the RSA modulus does not have 4096 bits");
    }
    if (exponent.empty() || exponent.size() > 4 || (exponent.back() & 1) == 0 ||
        (exponent.size() == 1 && exponent[0] < 3)) {
        return fail(Errc::bad_value, "the RSA exponent is even, one, or over 32 bits");
    }
    ATTESTD_TRY(EvpPkey key, make_rsa_key(modulus, exponent));
    return PublicKey(KeyKind::rsa4096, std::move(key));
}

bool PublicKey::verify_digest(ByteView digest, ByteView signature) const {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    bool good = ctx && EVP_PKEY_verify_init(ctx.get()) == 1;
    if (good && kind_ == KeyKind::rsa4096) {
        good = EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_signature_md(ctx.get(), EVP_sha384()) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx.get(), EVP_sha384()) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx.get(), kPssSaltLen) == 1;
    }
    good = good && EVP_PKEY_verify(ctx.get(), signature.data(), signature.size(), digest.data(),
                                   digest.size()) == 1;
    if (!good) clear_crypto_errors();
    return good;
}

bool PublicKey::verify(ByteView message, ByteView signature) const {
    if (kind_ == KeyKind::p256) return verify_digest(sha256(message), signature);
    return verify_digest(sha384(message), signature);
}

bool PublicKey::verify_raw(ByteView message, ByteView r, ByteView s) const {
    if (kind_ == KeyKind::rsa4096) return false;
    const std::size_t len = coordinate_len(kind_);
    if (r.size() != len || s.size() != len) return false;
    std::array<std::uint8_t, 2 * (48 + 3) + 2> der{};
    return verify(message, ByteView(der).first(der_signature(r, s, der)));
}

}  // namespace attestd
