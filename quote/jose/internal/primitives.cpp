#include "quote/jose/internal/primitives.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <string>

namespace attestd::jose {
namespace {

using EvpKdf = std::unique_ptr<EVP_KDF, Free<EVP_KDF_free>>;
using EvpKdfCtx = std::unique_ptr<EVP_KDF_CTX, Free<EVP_KDF_CTX_free>>;

constexpr std::size_t kMaxMessageLen = std::size_t{1} << 26;  // far below OpenSSL's int

void append_be32(Bytes& out, std::size_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append_counted(Bytes& out, ByteView part) {
    append_be32(out, part.size());
    out.insert(out.end(), part.begin(), part.end());
}

// OpenSSL's parameters are not const though they are only read.
OSSL_PARAM octet_param(const char* key, ByteView bytes) {
    return OSSL_PARAM_construct_octet_string(key, const_cast<std::uint8_t*>(bytes.data()),
                                             bytes.size());
}

EvpCipherCtx wrap_ctx() {
    EvpCipherCtx ctx(EVP_CIPHER_CTX_new());
    if (ctx) EVP_CIPHER_CTX_set_flags(ctx.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return ctx;
}

bool oaep_sha256(EVP_PKEY_CTX* ctx) {
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1;
}

int int_len(ByteView bytes) noexcept { return static_cast<int>(bytes.size()); }

}  // namespace

tl::unexpected<Error> fail_undecrypted() {
    clear_crypto_errors();
    return fail(Errc::jwe_undecrypted, "the message was changed, or is for another key");
}

Result<Secret> agree(EVP_PKEY& own, EVP_PKEY& peer) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, &own, nullptr));
    std::size_t len = 0;
    if (!ctx || EVP_PKEY_derive_init(ctx.get()) != 1 ||
        EVP_PKEY_derive_set_peer(ctx.get(), &peer) != 1 ||
        EVP_PKEY_derive(ctx.get(), nullptr, &len) != 1) {
        return fail_crypto("key agreement");
    }
    ATTESTD_TRY(Secret z, Secret::zeroed(len));
    const bool good = z.fill([&](std::span<std::uint8_t> to) {
        return EVP_PKEY_derive(ctx.get(), to.data(), &len) == 1 && len == to.size();
    });
    if (!good) return fail_crypto("key agreement");
    return z;
}

Result<Secret> concat_kdf(const Secret& z, std::string_view algorithm, ByteView apu, ByteView apv,
                          std::size_t len) {
    Bytes info;
    append_counted(info, as_bytes(algorithm));
    append_counted(info, apu);
    append_counted(info, apv);
    append_be32(info, 8 * len);
    ATTESTD_TRY(Secret out, Secret::zeroed(len));
    const EvpKdf kdf(EVP_KDF_fetch(nullptr, "SSKDF", nullptr));
    const EvpKdfCtx ctx(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
    std::string digest = "SHA256";
    const bool good = ctx && z.expose([&](ByteView shared) {
        const std::array<OSSL_PARAM, 4> params{
            OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
            octet_param(OSSL_KDF_PARAM_SECRET, shared), octet_param(OSSL_KDF_PARAM_INFO, info),
            OSSL_PARAM_construct_end()};
        return out.fill([&](std::span<std::uint8_t> to) {
            return EVP_KDF_derive(ctx.get(), to.data(), to.size(), params.data()) == 1;
        });
    });
    if (!good) return fail_crypto("Concat KDF");
    return out;
}

Result<Bytes> wrap_key(const Secret& kek, const Secret& content_key) {
    const EvpCipherCtx ctx = wrap_ctx();
    Bytes out(content_key.size() + 2 * 8);
    int len = 0;
    const bool good = ctx && kek.size() == kContentKeyLen && kek.expose([&](ByteView key) {
        return EVP_EncryptInit_ex2(ctx.get(), EVP_aes_256_wrap(), key.data(), nullptr, nullptr) ==
               1;
    }) && content_key.expose([&](ByteView bytes) {
        return EVP_EncryptUpdate(ctx.get(), out.data(), &len, bytes.data(), int_len(bytes)) == 1;
    });
    if (!good || len < 0) return fail_crypto("wrapping a content key");
    out.resize(static_cast<std::size_t>(len));
    return out;
}

Result<Secret> unwrap_key(const Secret& kek, ByteView wrapped) {
    if (kek.size() != kContentKeyLen || wrapped.size() != kWrappedKeyLen) return fail_undecrypted();
    // OpenSSL may write a whole block more than it gives.
    ATTESTD_TRY(Secret out, Secret::zeroed(kWrappedKeyLen + 8));
    const EvpCipherCtx ctx = wrap_ctx();
    int len = 0;
    const bool good = ctx && kek.expose([&](ByteView key) {
        return EVP_DecryptInit_ex2(ctx.get(), EVP_aes_256_wrap(), key.data(), nullptr, nullptr) ==
               1;
    }) && out.fill([&](std::span<std::uint8_t> to) {
        return EVP_DecryptUpdate(ctx.get(), to.data(), &len, wrapped.data(), int_len(wrapped)) == 1;
    });
    if (!good || len != static_cast<int>(kContentKeyLen)) return fail_undecrypted();
    out.truncate(kContentKeyLen);
    return out;
}

Result<Bytes> oaep_encrypt(EVP_PKEY& key, const Secret& content_key) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, &key, nullptr));
    Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(&key)));
    std::size_t len = out.size();
    const bool good =
        ctx && EVP_PKEY_encrypt_init(ctx.get()) == 1 && oaep_sha256(ctx.get()) &&
        content_key.expose([&](ByteView bytes) {
            return EVP_PKEY_encrypt(ctx.get(), out.data(), &len, bytes.data(), bytes.size()) == 1;
        });
    if (!good) return fail_crypto("RSA-OAEP encryption");
    out.resize(len);
    return out;
}

Result<Secret> oaep_decrypt(EVP_PKEY& key, ByteView encrypted) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, &key, nullptr));
    ATTESTD_TRY(Secret out, Secret::zeroed(static_cast<std::size_t>(EVP_PKEY_get_size(&key))));
    std::size_t len = out.size();
    const bool good = ctx && EVP_PKEY_decrypt_init(ctx.get()) == 1 && oaep_sha256(ctx.get()) &&
                      out.fill([&](std::span<std::uint8_t> to) {
                          return EVP_PKEY_decrypt(ctx.get(), to.data(), &len, encrypted.data(),
                                                  encrypted.size()) == 1;
                      });
    if (!good || len != kContentKeyLen) return fail_undecrypted();
    out.truncate(kContentKeyLen);
    return out;
}

Result<Sealed> gcm_seal(const Secret& key, ByteView aad, const Secret& plaintext) {
    if (key.size() != kContentKeyLen || aad.size() > kMaxMessageLen ||
        plaintext.size() > kMaxMessageLen) {
        return fail(Errc::bad_length, "a part of the message to be encrypted has a wrong length");
    }
    Sealed out{.iv = {}, .ciphertext = Bytes(plaintext.size()), .tag = {}};
    const EvpCipherCtx ctx(EVP_CIPHER_CTX_new());
    std::array<std::uint8_t, 16> none{};  // GCM has nothing left to write
    int len = 0;
    const bool good =
        ctx && RAND_bytes_ex(nullptr, out.iv.data(), out.iv.size(), 0) == 1 &&
        key.expose([&](ByteView bytes) {
            return EVP_EncryptInit_ex2(ctx.get(), EVP_aes_256_gcm(), bytes.data(), out.iv.data(),
                                       nullptr) == 1;
        }) &&
        EVP_EncryptUpdate(ctx.get(), nullptr, &len, aad.data(), int_len(aad)) == 1 &&
        plaintext.expose([&](ByteView bytes) {
            return bytes.empty() || EVP_EncryptUpdate(ctx.get(), out.ciphertext.data(), &len,
                                                      bytes.data(), int_len(bytes)) == 1;
        }) &&
        EVP_EncryptFinal_ex(ctx.get(), none.data(), &len) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, kTagLen, out.tag.data()) == 1;
    if (!good) return fail_crypto("AES-256-GCM encryption");
    return out;
}

Result<Secret> gcm_open(const Secret& key, ByteView iv, ByteView aad, ByteView ciphertext,
                        ByteView tag) {
    if (key.size() != kContentKeyLen || iv.size() != kIvLen || tag.size() != kTagLen ||
        aad.size() > kMaxMessageLen || ciphertext.size() > kMaxMessageLen) {
        return fail(Errc::bad_length, "a part of the encrypted message has a wrong length");
    }
    ATTESTD_TRY(Secret out, Secret::zeroed(ciphertext.size()));
    ByteArray<kTagLen> expected{};
    std::copy(tag.begin(), tag.end(), expected.begin());
    const EvpCipherCtx ctx(EVP_CIPHER_CTX_new());
    std::array<std::uint8_t, 16> none{};
    int len = 0;
    const bool good = ctx && key.expose([&](ByteView bytes) {
        return EVP_DecryptInit_ex2(ctx.get(), EVP_aes_256_gcm(), bytes.data(), iv.data(),
                                   nullptr) == 1;
    }) && EVP_DecryptUpdate(ctx.get(), nullptr, &len, aad.data(), int_len(aad)) == 1 &&
                      (ciphertext.empty() || out.fill([&](std::span<std::uint8_t> to) {
                          return EVP_DecryptUpdate(ctx.get(), to.data(), &len, ciphertext.data(),
                                                   int_len(ciphertext)) == 1;
                      })) &&
                      EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_SET_TAG, kTagLen,
                                          expected.data()) == 1 &&
                      EVP_DecryptFinal_ex(ctx.get(), none.data(), &len) == 1;
    if (!good) return fail_undecrypted();
    return out;
}

}  // namespace attestd::jose
