// Public keys of the vendors' hierarchies and the signatures that they check.
//
// Exactly three algorithms exist here: ECDSA P-256 with SHA-256, ECDSA P-384 with SHA-384, and
// RSASSA-PSS 4096 with SHA-384. There is no way to ask for another.
#pragma once

#include <memory>

#include "quote/base/bytes.h"
#include "quote/base/ossl.h"
#include "quote/base/result.h"

namespace attestd {

enum class KeyKind : std::uint8_t { p256, p384, rsa4096 };

/// A public key. Cheap to copy (shared); usable by several threads at once.
class PublicKey final {
 public:
    /// A point on P-256 (64 bytes) or P-384 (96 bytes): X then Y, big-endian. Errc::bad_value when
    /// it is not on the curve; the point at infinity has no such form.
    [[nodiscard]] static Result<PublicKey> from_point(KeyKind curve, ByteView xy);

    /// An RSA key of exactly 4096 bits; modulus and exponent big-endian. Errc::bad_value.
    [[nodiscard]] static Result<PublicKey> from_rsa(ByteView modulus, ByteView exponent);

    [[nodiscard]] KeyKind kind() const noexcept { return kind_; }

    /// Whether `signature`, as X.509 carries it (a DER SEQUENCE of r and s, or the PSS block), is
    /// this key's over `message`. False for anything that is not exactly that.
    [[nodiscard]] bool verify(ByteView message, ByteView signature) const;

    /// The same for an elliptic-curve signature given as r then s, each big-endian and of the
    /// curve's length (32 or 48 bytes).
    [[nodiscard]] bool verify_raw(ByteView message, ByteView r, ByteView s) const;

 private:
    PublicKey(KeyKind kind, EvpPkey key) : kind_(kind), key_(std::move(key)) {}
    [[nodiscard]] bool verify_digest(ByteView digest, ByteView signature) const;

    KeyKind kind_;
    std::shared_ptr<EVP_PKEY> key_;
};

}  // namespace attestd
