// X.509 certificates and revocation lists (RFC 5280), forged from plain structs.
//
// A spec says everything about a certificate but its issuer; the vendors' files (intel_forge,
// amd_forge) make specs, a test changes what it wants wrong, and issue() signs. Nothing is checked
// here: what is asked for is written.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/time.h"
#include "tests/support/forge/der.h"
#include "tests/support/forge/signing_key.h"

namespace attestd::forge {

struct NameAttribute {
    std::string oid;
    std::string text;
    der::Tag string_type = der::Tag::utf8_string;
};
/// A distinguished name: one attribute for each part, in the order written.
using Name = std::vector<NameAttribute>;

namespace oid {
inline constexpr std::string_view kCommonName = "2.5.4.3";
inline constexpr std::string_view kCountry = "2.5.4.6";
inline constexpr std::string_view kLocality = "2.5.4.7";
inline constexpr std::string_view kState = "2.5.4.8";
inline constexpr std::string_view kOrganization = "2.5.4.10";
inline constexpr std::string_view kOrganizationalUnit = "2.5.4.11";
inline constexpr std::string_view kSubjectKeyId = "2.5.29.14";
inline constexpr std::string_view kKeyUsage = "2.5.29.15";
inline constexpr std::string_view kBasicConstraints = "2.5.29.19";
inline constexpr std::string_view kCrlNumber = "2.5.29.20";
inline constexpr std::string_view kCrlReason = "2.5.29.21";
inline constexpr std::string_view kCrlDistributionPoints = "2.5.29.31";
inline constexpr std::string_view kAuthorityKeyId = "2.5.29.35";
}  // namespace oid

struct Extension {
    std::string oid;
    bool critical = false;
    Bytes value;  ///< content of the OCTET STRING
};
using Extensions = std::vector<Extension>;

/// BIT STRING content of a key usage as the vendors write it: number of unused bits, then the bits.
struct KeyUsage {
    std::uint8_t unused_bits;
    std::uint8_t bits;
};
inline constexpr KeyUsage kCertAndCrlSign{1, 0x06};
inline constexpr KeyUsage kCertSign{1, 0x04};  ///< AMD's, not minimal: bit 1 is unused too
inline constexpr KeyUsage kSignAndNonRepudiation{6, 0xc0};

struct BasicConstraints {
    bool ca = false;
    std::optional<std::uint8_t> path_len;
};

[[nodiscard]] Extension key_usage(KeyUsage usage);
[[nodiscard]] Extension basic_constraints(const BasicConstraints& constraints);
[[nodiscard]] Extension subject_key_id(const SigningKey& key);
[[nodiscard]] Extension authority_key_id(const SigningKey& issuer);
[[nodiscard]] Extension crl_distribution_point(std::string_view url);

/// The extension with this OID, to be changed; ForgeError when there is none.
[[nodiscard]] Extension& find_extension(Extensions& extensions, std::string_view oid);
/// Removes every extension with this OID.
void remove_extension(Extensions& extensions, std::string_view oid);
/// The text of the common name, to be changed; ForgeError when there is none.
[[nodiscard]] std::string& common_name(Name& name);

/// Who signs: the name that goes into what is signed, and the key.
struct Issuer {
    Name name;
    SigningKey key;
    Signature signature = Signature::ecdsa_sha256;
};

struct CertificateSpec {
    std::uint8_t version = 2;  ///< as encoded: 2 is X.509 version 3
    Bytes serial;              ///< magnitude, big-endian; empty is zero
    Name subject;
    Window validity;
    Bytes spki;
    Extensions extensions;
    /// Named inside the signed part in place of the algorithm that signs: a certificate no one
    /// accepts.
    std::optional<Signature> inner_algorithm;
};

struct RevokedCertificate {
    Bytes serial;  ///< magnitude, big-endian
    Time when;
    std::optional<std::uint8_t> reason = 1;  ///< CRLReason; 1 is keyCompromise
};

struct CrlSpec {
    Window validity;  ///< thisUpdate and nextUpdate; until = Time::max() leaves nextUpdate out
    std::vector<RevokedCertificate> revoked;
    Extensions extensions;
};

/// Serial numbers and key ids are bytes that vary with `seed` and nothing else.
[[nodiscard]] Bytes serial_of(ByteView seed);

/// A CRL spec with the two extensions that Intel's have: number (1, always) and authority key id.
[[nodiscard]] CrlSpec crl_spec(Window validity, const SigningKey& issuer);

/// The DER of the signed part, and of a whole around it: for tests that change bytes in between.
[[nodiscard]] Bytes to_be_signed(const CertificateSpec& spec, const Issuer& issuer);
[[nodiscard]] Bytes to_be_signed(const CrlSpec& spec, const Issuer& issuer);
[[nodiscard]] Bytes sign_der(ByteView tbs, const Issuer& issuer);

/// A certificate, DER.
[[nodiscard]] Bytes issue(const CertificateSpec& spec, const Issuer& issuer);
/// A certificate revocation list, DER.
[[nodiscard]] Bytes issue(const CrlSpec& spec, const Issuer& issuer);

/// `-----BEGIN label-----` text with lines of 64 characters, ending in a line feed.
[[nodiscard]] std::string to_pem(std::string_view label, ByteView der);
[[nodiscard]] std::string certificate_pem(ByteView der);

}  // namespace attestd::forge
