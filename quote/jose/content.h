// AES-256-GCM without a JWE around it, as envelopes of sealed secrets have it (`spec/kbs.md`
// section 10).
#pragma once

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

/// Of the nonce, and of the tag at the end of the ciphertext; in bytes.
inline constexpr std::size_t kA256GcmIvLen = 12;
inline constexpr std::size_t kA256GcmTagLen = 16;

/// What `sealed` (ciphertext, then tag) holds, without additional data. Errc::jwe_undecrypted, also
/// for a key, a nonce or a tag of another length.
[[nodiscard]] Result<Secret> open_a256gcm(const Secret& key, ByteView iv, ByteView sealed);

}  // namespace attestd
