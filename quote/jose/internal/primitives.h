// The steps of a JWE, each one call of OpenSSL's: key agreement, Concat KDF, key wrap, RSA-OAEP and
// AES-256-GCM. Shared secrets, wrapping keys, content keys and plaintext are Secrets.
#pragma once

#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/ossl.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd::jose {

inline constexpr std::size_t kContentKeyLen = 32;
inline constexpr std::size_t kWrappedKeyLen = kContentKeyLen + 8;  // RFC 3394
inline constexpr std::size_t kIvLen = 12;
inline constexpr std::size_t kTagLen = 16;

/// The x coordinate of the shared point, of the field's length (RFC 7518 section 4.6.2: Z).
/// Errc::crypto_failed.
[[nodiscard]] Result<Secret> agree(EVP_PKEY& own, EVP_PKEY& peer);

/// Concat KDF with SHA-256 (RFC 7518 section 4.6.2): `len` bytes for `algorithm` out of `z`.
[[nodiscard]] Result<Secret> concat_kdf(const Secret& z, std::string_view algorithm, ByteView apu,
                                        ByteView apv, std::size_t len);

/// AES-256 key wrap (RFC 3394) of a content key, and its reverse. Errc::jwe_undecrypted.
[[nodiscard]] Result<Bytes> wrap_key(const Secret& kek, const Secret& content_key);
[[nodiscard]] Result<Secret> unwrap_key(const Secret& kek, ByteView wrapped);

/// RSAES-OAEP with SHA-256 for digest and mask, empty label (RFC 7518 section 4.3).
[[nodiscard]] Result<Bytes> oaep_encrypt(EVP_PKEY& key, const Secret& content_key);
/// Errc::jwe_undecrypted, also when what was encrypted is not 32 bytes long.
[[nodiscard]] Result<Secret> oaep_decrypt(EVP_PKEY& key, ByteView encrypted);

struct Sealed {
    ByteArray<kIvLen> iv;
    Bytes ciphertext;
    ByteArray<kTagLen> tag;
};

/// AES-256-GCM under a random nonce. The key is for this message alone. Errc::crypto_failed.
[[nodiscard]] Result<Sealed> gcm_seal(const Secret& key, ByteView aad, const Secret& plaintext);
/// Errc::jwe_undecrypted, without a byte of plaintext.
[[nodiscard]] Result<Secret> gcm_open(const Secret& key, ByteView iv, ByteView aad,
                                      ByteView ciphertext, ByteView tag);

/// The one error of all that fails once a message is well-formed.
[[nodiscard]] tl::unexpected<Error> fail_undecrypted();

}  // namespace attestd::jose
