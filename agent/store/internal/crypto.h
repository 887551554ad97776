// The three primitives of the sealed store, by OpenSSL: HKDF-SHA256, HMAC-SHA256 and AES-256-GCM.
//
// A GCM key is never used for two messages here: each message has its own salt, and key and nonce
// both come out of HKDF under that salt (`SealKey`). Keys and plaintext live in memory for secrets;
// OpenSSL's own copies live in its contexts, which it clears when they are freed.
#pragma once

#include <initializer_list>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd::store {

inline constexpr std::size_t kKeyLen = 32;
inline constexpr std::size_t kSaltLen = 32;
inline constexpr std::size_t kTagLen = 16;

using Salt = ByteArray<kSaltLen>;

/// RFC 5869 with SHA-256: `len` bytes. Errc::crypto_failed, Errc::memory_locked.
[[nodiscard]] Result<Secret> hkdf(const Secret& ikm, ByteView salt, std::string_view info,
                                  std::size_t len);

/// RFC 2104 with SHA-256 over the parts, one after another. Errc::crypto_failed.
[[nodiscard]] Result<Sha256> hmac(const Secret& key, std::initializer_list<ByteView> parts);

/// 32 bytes from the random generator. Errc::crypto_failed.
[[nodiscard]] Result<Salt> random_salt();

/// Key and nonce for exactly one message.
class SealKey final {
 public:
    /// `salt` must be fresh for each message sealed under `key`; `info` says what the message is.
    [[nodiscard]] static Result<SealKey> derive(const Secret& key, const Salt& salt,
                                                std::string_view info);

    /// The ciphertext of the parts, one after another, then the tag. Uses the key up.
    [[nodiscard]] Result<Bytes> seal(ByteView aad, std::initializer_list<ByteView> plaintext) &&;

    /// Decrypts `sealed` (ciphertext and tag) into the parts, which together are as long as the
    /// ciphertext. Errc::store_corrupt, with all parts wiped, when anything was changed or the key
    /// is another. What a part holds means nothing until this returns success.
    [[nodiscard]] Result<void> open(ByteView aad, ByteView sealed,
                                    std::initializer_list<std::span<std::uint8_t>> parts) const;

 private:
    explicit SealKey(Secret key_and_nonce) noexcept : key_and_nonce_(std::move(key_and_nonce)) {}
    Secret key_and_nonce_;
};

}  // namespace attestd::store
