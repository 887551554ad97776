// The `recovery` key slot: closed with an operator's public key, opened with the private key that
// the operator keeps offline. X25519 or P-256.
//
// Construction (ECDH-ES in the shape of RFC 9180's DHKEM, by OpenSSL EVP alone): for each slot a
// fresh key pair (e, E) of the recipient key R's kind is made, and
//     key = HKDF-SHA256(ikm = ECDH(e, R), salt = E ‖ R, info = "attestd store recovery slot v1" ‖
//     kind)
// e is forgotten at once; E and R are the slot's params. P-256 points are uncompressed (65 bytes),
// the ECDH output is the x coordinate; X25519 refuses an all-zero output (RFC 7748 section 6.1). A
// sender is not authenticated: who opens a store by recovery must compare its id with the one noted
// when the store was made, or may be reading secrets that the disk's owner put there.
#pragma once

#include <string_view>

#include "agent/store/slot_key.h"
#include "quote/base/ossl.h"

namespace attestd {

enum class RecoveryAlgorithm : std::uint8_t { x25519 = 1, p256 = 2 };

class RecoverySlotKey final : public SlotKey {
 public:
    /// From a public key (PEM SubjectPublicKeyInfo): makes slots, cannot open them.
    /// Errc::bad_encoding, Errc::unsupported_type for a key of another kind.
    [[nodiscard]] static Result<RecoverySlotKey> from_public_pem(ByteView pem);

    /// From a private key (PEM PKCS#8, not encrypted): makes and opens slots.
    [[nodiscard]] static Result<RecoverySlotKey> from_private_pem(const Secret& pem);

    [[nodiscard]] SlotKind kind() const noexcept override { return SlotKind::recovery; }
    [[nodiscard]] Result<NewSlotKey> make() override;
    /// Errc::store_slot when the slot was made for another key.
    [[nodiscard]] Result<Secret> recover(ByteView params) override;

    /// SHA-256 of the public key's raw form, first 16 hex digits: what slots call it.
    [[nodiscard]] const std::string& fingerprint() const noexcept { return fingerprint_; }

 private:
    enum class Half : std::uint8_t { public_only, with_private };
    [[nodiscard]] static Result<RecoverySlotKey> from_key(EvpPkey key, Half half);
    RecoverySlotKey(RecoveryAlgorithm algorithm, EvpPkey key, Bytes public_raw, Half half);

    RecoveryAlgorithm algorithm_;
    EvpPkey key_;
    Bytes public_raw_;
    Half half_;
    std::string fingerprint_;
};

/// "X25519 key 1f0c…" of a slot's params. Errc::store_corrupt.
[[nodiscard]] Result<std::string> describe_recovery_params(ByteView params);

struct RecoveryKeyPair {
    Secret private_pem;      ///< PKCS#8, for the operator's safe
    std::string public_pem;  ///< SubjectPublicKeyInfo, for this machine
};

/// A fresh key pair. Errc::crypto_failed, Errc::memory_locked.
[[nodiscard]] Result<RecoveryKeyPair> make_recovery_key(RecoveryAlgorithm algorithm);

}  // namespace attestd
