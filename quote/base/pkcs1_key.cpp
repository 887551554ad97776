#include "quote/base/pkcs1_key.h"

#include <fmt/format.h>
#include <openssl/rsa.h>

#include "quote/base/digest.h"
#include "quote/base/internal/rsa.h"

namespace attestd {
namespace {

constexpr ByteArray<3> kExponent{0x01, 0x00, 0x01};

}  // namespace

Result<Pkcs1Key> Pkcs1Key::from_rsa(ByteView modulus, ByteView exponent) {
    const std::size_t len = modulus.size();
    if ((len != 256 && len != 384 && len != 512) || (modulus.front() & 0x80) == 0) {
        return fail(Errc::bad_value, "the RSA modulus does not have 2048, 3072 or 4096 bits");
    }
    if ((modulus.back() & 1) == 0) return fail(Errc::bad_value, "the RSA modulus is even");
    if (!equal(exponent, kExponent)) return fail(Errc::bad_value, "the RSA exponent is not 65537");
    ATTESTD_TRY(EvpPkey key, make_rsa_key(modulus, exponent));
    return Pkcs1Key(std::move(key));
}

bool Pkcs1Key::verify(ByteView message, ByteView signature) const {
    const Sha256 digest = sha256(message);
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    const bool good = ctx && EVP_PKEY_verify_init(ctx.get()) == 1 &&
                      EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1 &&
                      EVP_PKEY_CTX_set_signature_md(ctx.get(), EVP_sha256()) == 1 &&
                      EVP_PKEY_verify(ctx.get(), signature.data(), signature.size(), digest.data(),
                                      digest.size()) == 1;
    if (!good) clear_crypto_errors();
    return good;
}

}  // namespace attestd
