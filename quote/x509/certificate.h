// X.509 certificates of the vendors' hierarchies (RFC 5280, version 3), decoded strictly.
//
// Decoding makes nothing trusted: signatures, names and dates are judged in verifier/. The key is
// kept as bytes until somebody asks for it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/public_key.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/x509/algorithm.h"
#include "quote/x509/name.h"

namespace attestd {

inline constexpr std::size_t kMaxCertificateLen = 16384;

struct CertificateExtension {
    ByteView oid;  ///< content of the OBJECT IDENTIFIER
    bool critical;
    ByteView value;  ///< content of extnValue's OCTET STRING
};

struct BasicConstraints {
    bool ca = false;
    std::optional<std::uint32_t> path_len;
};

/// Bits of KeyUsage (RFC 5280 section 4.2.1.3), bit 0 first.
struct KeyUsage {
    std::uint16_t bits = 0;
    [[nodiscard]] bool cert_sign() const noexcept { return (bits & 1u << 5) != 0; }
    [[nodiscard]] bool crl_sign() const noexcept { return (bits & 1u << 6) != 0; }
};

/// A decoded certificate. Cheap to copy: copies share the bytes, and all views point into those.
class Certificate final {
 public:
    /// Decodes exactly one certificate. Errc::bad_der, Errc::too_large, Errc::unsupported_version,
    /// Errc::chain_algorithm.
    [[nodiscard]] static Result<Certificate> parse(ByteView der);

    [[nodiscard]] ByteView der() const noexcept { return *bytes_; }
    [[nodiscard]] ByteView tbs() const noexcept { return tbs_; }        ///< the signed bytes
    [[nodiscard]] ByteView serial() const noexcept { return serial_; }  ///< magnitude, big-endian
    [[nodiscard]] const DistinguishedName& issuer() const noexcept { return issuer_; }
    [[nodiscard]] const DistinguishedName& subject() const noexcept { return subject_; }
    [[nodiscard]] const Window& validity() const noexcept { return validity_; }
    [[nodiscard]] ByteView spki() const noexcept { return spki_; }  ///< whole DER
    [[nodiscard]] Sha256 spki_digest() const { return sha256(spki_); }
    [[nodiscard]] SignatureAlgorithm algorithm() const noexcept { return algorithm_; }
    [[nodiscard]] ByteView signature() const noexcept { return signature_; }
    [[nodiscard]] const std::optional<BasicConstraints>& basic_constraints() const noexcept {
        return basic_constraints_;
    }
    [[nodiscard]] const std::optional<KeyUsage>& key_usage() const noexcept { return key_usage_; }
    [[nodiscard]] const std::vector<CertificateExtension>& extensions() const noexcept {
        return extensions_;
    }
    /// A critical extension that RFC 5280 obliges to refuse; empty when there is none.
    [[nodiscard]] const std::optional<ByteView>& unknown_critical() const noexcept {
        return unknown_critical_;
    }

    /// The public key. Errc::chain_algorithm, Errc::bad_value.
    [[nodiscard]] Result<PublicKey> key() const { return parse_public_key(spki_); }

    /// Whether `issuer_key` signed this certificate with the algorithm that it names.
    [[nodiscard]] bool signed_by(const PublicKey& issuer_key) const;

 private:
    Certificate() = default;
    Result<void> parse_tbs();
    Result<void> parse_extensions(DerReader& in);
    Result<void> note_extension(const CertificateExtension& extension);

    std::shared_ptr<const Bytes> bytes_;
    ByteView tbs_, serial_, spki_, signature_;
    ByteView inner_algorithm_;
    DistinguishedName issuer_, subject_;
    Window validity_;
    SignatureAlgorithm algorithm_{};
    std::vector<CertificateExtension> extensions_;
    std::optional<BasicConstraints> basic_constraints_;
    std::optional<KeyUsage> key_usage_;
    std::optional<ByteView> unknown_critical_;
};

}  // namespace attestd
