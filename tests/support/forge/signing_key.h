// SigningKey: a throw-away private key of one of the kinds that the vendors use.
//
// Forging fails only when the cryptographic library does; that ends the test with a ForgeError.
// Nothing here is fit for a key that guards anything.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "quote/base/bytes.h"
#include "quote/base/fd.h"
#include "quote/base/ossl.h"
#include "quote/base/public_key.h"
#include "quote/base/result.h"

namespace attestd::forge {

/// The cryptographic library refused, or a forgery was asked for that makes no sense.
class ForgeError final : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

/// Signature algorithms, those of the vendors and those that a verifier must not take in their
/// place.
enum class Signature : std::uint8_t {
    ecdsa_sha256,
    ecdsa_sha384,
    rsa_pss_sha384,          ///< parameters as in AMD's leaves: digest, MGF1 and salt length 48
    rsa_pss_sha384_trailer,  ///< the same with the trailer field spelt out, as in AMD's authorities
    rsa_pkcs1_sha384,        ///< PKCS #1 v1.5: no vendor's
};

class SigningKey final {
 public:
    /// A key that is made when it is first used: RSA of 4096 bits takes about a second. Copies
    /// share the key. Thread-safe.
    explicit SigningKey(KeyKind kind);

    /// The key in the file `name` (PEM) of the open folder `dir`; made and saved there, mode 0600,
    /// when there is none. Errc::bad_value when the file holds something else.
    [[nodiscard]] static Result<SigningKey> load_or_create(const Fd& dir, const std::string& name,
                                                           KeyKind kind);

    [[nodiscard]] KeyKind kind() const noexcept;

    /// SubjectPublicKeyInfo, DER.
    [[nodiscard]] Bytes spki() const;
    /// X then Y, big-endian: 64 bytes for P-256, 96 for P-384.
    [[nodiscard]] Bytes point() const;
    /// SHA-1 of the public key, as key identifier extensions carry it (RFC 5280 section 4.2.1.2).
    [[nodiscard]] ByteArray<20> key_id() const;

    /// A signature as X.509 carries it.
    [[nodiscard]] Bytes sign(Signature algorithm, ByteView message) const;
    /// r then s, big-endian, over SHA-256 (P-256) or SHA-384 (P-384) of the message.
    [[nodiscard]] Bytes sign_raw(ByteView message) const;

 private:
    struct State;
    SigningKey(KeyKind kind, EvpPkey key);
    [[nodiscard]] EVP_PKEY* key() const;
    std::shared_ptr<State> state_;
};

}  // namespace attestd::forge
