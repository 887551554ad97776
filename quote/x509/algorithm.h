// Key and signature algorithms of certificates: exactly those that Intel and AMD sign with.
#pragma once

#include <string_view>

#include "quote/base/public_key.h"
#include "quote/base/result.h"
#include "quote/x509/der.h"

namespace attestd {

enum class SignatureAlgorithm : std::uint8_t {
    ecdsa_sha256,    ///< 1.2.840.10045.4.3.2
    rsa_pss_sha384,  ///< 1.2.840.113549.1.1.10 with SHA-384, MGF1 with SHA-384, salt 48
};

[[nodiscard]] constexpr std::string_view algorithm_name(SignatureAlgorithm a) noexcept {
    return a == SignatureAlgorithm::ecdsa_sha256 ? "ecdsa-with-SHA256"
                                                 : "RSASSA-PSS SHA-384 salt 48";
}

/// Takes the next AlgorithmIdentifier. Errc::chain_algorithm for any other algorithm or parameter.
[[nodiscard]] Result<SignatureAlgorithm> parse_signature_algorithm(DerReader& in,
                                                                   std::string_view what);

/// Whether a key of this kind makes signatures of this kind.
[[nodiscard]] constexpr bool fits(SignatureAlgorithm algorithm, KeyKind key) noexcept {
    return algorithm == SignatureAlgorithm::ecdsa_sha256 ? key == KeyKind::p256
                                                         : key == KeyKind::rsa4096;
}

/// The key of a SubjectPublicKeyInfo (its whole DER): P-256, P-384 or RSA-4096.
/// Errc::chain_algorithm, Errc::bad_der.
[[nodiscard]] Result<PublicKey> parse_public_key(ByteView spki);

}  // namespace attestd
