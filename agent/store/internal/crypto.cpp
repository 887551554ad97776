#include "agent/store/internal/crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>

#include "quote/base/ossl.h"

namespace attestd::store {
namespace {

constexpr std::size_t kNonceLen = 12;

using EvpKdf = std::unique_ptr<EVP_KDF, Free<EVP_KDF_free>>;
using EvpKdfCtx = std::unique_ptr<EVP_KDF_CTX, Free<EVP_KDF_CTX_free>>;
using EvpMac = std::unique_ptr<EVP_MAC, Free<EVP_MAC_free>>;
using EvpMacCtx = std::unique_ptr<EVP_MAC_CTX, Free<EVP_MAC_CTX_free>>;
using EvpCipher = std::unique_ptr<EVP_CIPHER, Free<EVP_CIPHER_free>>;

// Fetched once for the life of the process: a look-up costs as much as a derivation.
EVP_KDF* hkdf_algorithm() {
    static const EvpKdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
    return kdf.get();
}

EVP_MAC* hmac_algorithm() {
    static const EvpMac mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    return mac.get();
}

const EVP_CIPHER* gcm_algorithm() {
    static const EvpCipher cipher(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    return cipher.get();
}

// OpenSSL's parameters are not const though they are only read.
OSSL_PARAM octets(const char* key, ByteView bytes) {
    return OSSL_PARAM_construct_octet_string(key, const_cast<std::uint8_t*>(bytes.data()),
                                             bytes.size());
}

OSSL_PARAM sha256_name(const char* key) {
    static char name[] = "SHA256";
    return OSSL_PARAM_construct_utf8_string(key, name, 0);
}

constexpr bool fits_int(std::size_t len) noexcept { return len <= std::size_t{1} << 30; }

}  // namespace

Result<Secret> hkdf(const Secret& ikm, ByteView salt, std::string_view info, std::size_t len) {
    ATTESTD_TRY(Secret out, Secret::zeroed(len));
    const EvpKdfCtx ctx(EVP_KDF_CTX_new(hkdf_algorithm()));
    const bool good = ctx && ikm.expose([&](ByteView key) {
        // An absent salt ends the list one earlier: OpenSSL does not take an empty one.
        const std::array<OSSL_PARAM, 5> params{
            sha256_name(OSSL_KDF_PARAM_DIGEST), octets(OSSL_KDF_PARAM_KEY, key),
            octets(OSSL_KDF_PARAM_INFO, as_bytes(info)),
            salt.empty() ? OSSL_PARAM_construct_end() : octets(OSSL_KDF_PARAM_SALT, salt),
            OSSL_PARAM_construct_end()};
        return out.fill([&](std::span<std::uint8_t> to) {
            return EVP_KDF_derive(ctx.get(), to.data(), to.size(), params.data()) == 1;
        });
    });
    if (!good) return fail_crypto("HKDF-SHA256");
    return out;
}

Result<Sha256> hmac(const Secret& key, std::initializer_list<ByteView> parts) {
    EVP_MAC* const algorithm = hmac_algorithm();  // EVP_MAC_CTX_new does not take a null one
    const EvpMacCtx ctx(algorithm != nullptr ? EVP_MAC_CTX_new(algorithm) : nullptr);
    const std::array<OSSL_PARAM, 2> params{sha256_name(OSSL_MAC_PARAM_DIGEST),
                                           OSSL_PARAM_construct_end()};
    bool good = ctx && key.expose([&](ByteView bytes) {
        return EVP_MAC_init(ctx.get(), bytes.data(), bytes.size(), params.data()) == 1;
    });
    for (const ByteView part : parts) {
        good = good && EVP_MAC_update(ctx.get(), part.data(), part.size()) == 1;
    }
    Sha256 out{};
    std::size_t len = 0;
    good = good && EVP_MAC_final(ctx.get(), out.data(), &len, out.size()) == 1 && len == out.size();
    if (!good) return fail_crypto("HMAC-SHA256");
    return out;
}

Result<Salt> random_salt() {
    Salt salt{};
    if (RAND_bytes_ex(nullptr, salt.data(), salt.size(), 0) != 1)
        return fail_crypto("random generator");
    return salt;
}

Result<SealKey> SealKey::derive(const Secret& key, const Salt& salt, std::string_view info) {
    ATTESTD_TRY(Secret both, hkdf(key, salt, info, kKeyLen + kNonceLen));
    return SealKey(std::move(both));
}

Result<Bytes> SealKey::seal(ByteView aad, std::initializer_list<ByteView> plaintext) && {
    const Secret key_and_nonce = std::move(key_and_nonce_);
    const EvpCipherCtx ctx(EVP_CIPHER_CTX_new());
    bool good = ctx && key_and_nonce.expose([&](ByteView both) {
        return both.size() == kKeyLen + kNonceLen &&
               EVP_EncryptInit_ex2(ctx.get(), gcm_algorithm(), both.data(),
                                   both.subspan(kKeyLen).data(), nullptr) == 1;
    });
    int len = 0;
    good =
        good && fits_int(aad.size()) &&
        EVP_EncryptUpdate(ctx.get(), nullptr, &len, aad.data(), static_cast<int>(aad.size())) == 1;
    Bytes out;
    for (const ByteView part : plaintext) {
        const std::size_t at = out.size();
        out.resize(at + part.size());
        good = good && fits_int(part.size()) &&
               EVP_EncryptUpdate(ctx.get(), out.data() + at, &len, part.data(),
                                 static_cast<int>(part.size())) == 1;
    }
    ByteArray<kTagLen> tag{};
    good = good && EVP_EncryptFinal_ex(ctx.get(), tag.data(), &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kTagLen, tag.data()) == 1;
    if (!good) return fail_crypto("AES-256-GCM encryption");
    out.insert(out.end(), tag.begin(), tag.end());
    return out;
}

Result<void> SealKey::open(ByteView aad, ByteView sealed,
                           std::initializer_list<std::span<std::uint8_t>> parts) const {
    std::size_t want = kTagLen;
    for (const auto part : parts) want += part.size();
    if (sealed.size() != want || !fits_int(want) || !fits_int(aad.size())) {
        return fail(Errc::store_corrupt, "the sealed part has the wrong length");
    }
    ByteArray<kTagLen> tag{};
    std::copy(sealed.end() - kTagLen, sealed.end(), tag.begin());

    const EvpCipherCtx ctx(EVP_CIPHER_CTX_new());
    int len = 0;
    bool good = ctx && key_and_nonce_.expose([&](ByteView both) {
        return both.size() == kKeyLen + kNonceLen &&
               EVP_DecryptInit_ex2(ctx.get(), gcm_algorithm(), both.data(),
                                   both.subspan(kKeyLen).data(), nullptr) == 1;
    });
    good = good && EVP_DecryptUpdate(ctx.get(), nullptr, &len, aad.data(),
                                     static_cast<int>(aad.size())) == 1;
    std::size_t at = 0;
    for (const auto part : parts) {
        good = good && EVP_DecryptUpdate(ctx.get(), part.data(), &len, sealed.subspan(at).data(),
                                         static_cast<int>(part.size())) == 1;
        at += part.size();
    }
    std::array<std::uint8_t, 16> none{};  // GCM has nothing left to write
    good = good &&
           EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kTagLen, tag.data()) == 1 &&
           EVP_DecryptFinal_ex(ctx.get(), none.data(), &len) == 1;
    if (good) return {};
    for (const auto part : parts) wipe_bytes(part);
    clear_crypto_errors();
    return fail(Errc::store_corrupt, "the authentication tag is wrong");
}

}  // namespace attestd::store
