// Keys to which JOSE messages are encrypted: JSON Web Key (RFC 7517, RFC 7518 section 6) and its
// thumbprint (RFC 7638), over OpenSSL.
//
// Why not libjose or libcjose: both keep plaintext and private numbers in JSON strings on the heap,
// which they do not clear; they would be found in freed memory. Here private numbers live in
// `Secret` alone and become a handle of OpenSSL's for the length of one operation.
//
// There are five kinds of key and one algorithm for each family; nothing else can be asked for. The
// members of a public key are exactly those of spec/kbs.md section 4.1.
#pragma once

#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/json.h"
#include "quote/base/ossl.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

enum class JoseKeyKind : std::uint8_t { p256, p521, rsa2048, rsa3072, rsa4096 };

/// How a content key reaches the owner of a key: RFC 7518 sections 4.6 and 4.3.
enum class JoseAlgorithm : std::uint8_t { ecdh_es_a256kw, rsa_oaep_256 };

/// "ECDH-ES+A256KW" or "RSA-OAEP-256".
[[nodiscard]] std::string_view jose_name(JoseAlgorithm algorithm) noexcept;
/// The algorithm of the kind's family.
[[nodiscard]] JoseAlgorithm jose_algorithm(JoseKeyKind kind) noexcept;
/// Bytes of one coordinate (32 or 66), or of the modulus (256, 384 or 512).
[[nodiscard]] std::size_t jose_field_len(JoseKeyKind kind) noexcept;

/// A public key that was found good: a point on its curve, or an RSA modulus of an allowed length
/// with the exponent 65537.
class JosePublicKey final {
 public:
    /// Coordinates big-endian, each of the curve's length with its leading zeros. Errc::bad_length;
    /// Errc::bad_value when it is not on the curve. The point at infinity has no such form.
    [[nodiscard]] static Result<JosePublicKey> from_point(JoseKeyKind curve, ByteView x,
                                                          ByteView y);
    /// A modulus of 2048, 3072 or 4096 bits, odd, and the exponent 65537, both big-endian without
    /// leading zeros. Errc::bad_length, Errc::bad_value.
    [[nodiscard]] static Result<JosePublicKey> from_rsa(ByteView modulus, ByteView exponent);
    /// A JWK with exactly the members that jwk() writes, in any order. Errc::jose_algorithm for
    /// another `kty`, `crv` or `alg`; the errors of from_point(), from_rsa() and of JSON.
    [[nodiscard]] static Result<JosePublicKey> from_jwk(const JsonValue& jwk);
    /// An ephemeral key of a JWE header (`epk`): `kty`, `crv`, `x`, `y` and no more. Errors as
    /// above.
    [[nodiscard]] static Result<JosePublicKey> from_epk(const JsonValue& epk);

    [[nodiscard]] JoseKeyKind kind() const noexcept { return kind_; }
    /// The JWK as compact JSON, members in alphabetical order: `alg`, `crv`, `kty`, `x`, `y`, or
    /// `alg`, `e`, `kty`, `n`.
    [[nodiscard]] std::string jwk() const;
    /// The same without `alg`: what RFC 7638 digests, and the `epk` of a header.
    [[nodiscard]] std::string required_members() const;
    /// RFC 7638 section 3, SHA-256.
    [[nodiscard]] Sha256 thumbprint() const;
    /// The key as OpenSSL's. Errc::crypto_failed.
    [[nodiscard]] Result<EvpPkey> to_openssl() const;

    [[nodiscard]] friend bool operator==(const JosePublicKey&, const JosePublicKey&) = default;

 private:
    friend class JosePrivateKey;
    JosePublicKey(JoseKeyKind kind, Bytes first, Bytes second)
        : kind_(kind), first_(std::move(first)), second_(std::move(second)) {}

    JoseKeyKind kind_;
    Bytes first_;   // x, or the modulus
    Bytes second_;  // y, or the exponent
};

/// A private key with its public half. Its numbers are a Secret: locked, wiped when it ends.
class JosePrivateKey final {
 public:
    /// A fresh key. Errc::crypto_failed, Errc::memory_locked. RSA takes a second or so.
    [[nodiscard]] static Result<JosePrivateKey> generate(JoseKeyKind kind);
    /// The numbers of a key of OpenSSL's. Errc::jose_algorithm when it is of no kind above;
    /// Errc::crypto_failed when it has no private half; errors of JosePublicKey.
    [[nodiscard]] static Result<JosePrivateKey> copy_of(const EVP_PKEY& key);

    [[nodiscard]] const JosePublicKey& public_key() const noexcept { return public_; }
    /// The key as OpenSSL's, which clears the numbers when the handle ends: keep it for one
    /// operation. Errc::crypto_failed.
    [[nodiscard]] Result<EvpPkey> to_openssl() const;
    /// The key as PEM, in the forms of spec/kbs.md section 4.4: PKCS #8 ("PRIVATE KEY") of a key on
    /// a curve, PKCS #1 ("RSA PRIVATE KEY") of an RSA key. Errc::memory_locked.
    [[nodiscard]] Result<Secret> pem() const;

 private:
    JosePrivateKey(JosePublicKey half, Secret numbers)
        : public_(std::move(half)), numbers_(std::move(numbers)) {}

    JosePublicKey public_;
    Secret numbers_;  // one after another, of fixed lengths, in the machine's byte order
};

}  // namespace attestd
