// SignerChain: the certificates that come with a signer's key ("x5c"), once they lead to somebody
// who is trusted; and the revocation lists that they name (RFC 5280 sections 4.2.1.13 and 5).
//
// Certificates here are any that OpenSSL takes at 112 bits of security: services sign with other
// algorithms than the vendors of processors, for whom quote/x509 is.
#pragma once

#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quote/base/digest.h"
#include "quote/base/time.h"
#include "quote/jose/jws.h"

namespace attestd {

using SignerCertificate = std::shared_ptr<X509>;

/// Of certificates beside a token's key, and beside one in a key set.
inline constexpr std::size_t kMaxTokenChainLen = 6, kMaxKeySetChainLen = 10;

/// Exactly one certificate (DER); null for anything else.
[[nodiscard]] SignerCertificate parse_signer_certificate(ByteView der);

/// The key in a certificate. Errors of JwsKey::from_spki().
[[nodiscard]] Result<JwsKey> signer_certificate_key(const X509& certificate,
                                                    std::optional<JwsAlgorithm> algorithm);

/// The certificates of "x5c", in their order, 1 to `max_len`. Errc::token_untrusted.
[[nodiscard]] Result<std::vector<SignerCertificate>> parse_x5c(const std::optional<JsonValue>& x5c,
                                                               std::size_t max_len);

/// Errc::token_untrusted about a token's signer.
[[nodiscard]] tl::unexpected<Error> untrusted_signer(std::string_view why);

class SignerChain final {
 public:
    /// The way from `leaf` to one of `trusted` over some of `others`, all within their lives at
    /// `now`, the leaf for signatures. Errc::token_untrusted.
    [[nodiscard]] static Result<SignerChain> verify(const SignerCertificate& leaf,
                                                    std::span<const SignerCertificate> others,
                                                    std::span<const SignerCertificate> trusted,
                                                    Time now);

    /// Of an entry of a key set, whose "x5c" is in no order: the one that is no authority is the
    /// leaf. It has to lead to one of `authorities`; without any, to the only self-issued one of
    /// the entry itself, whose SHA-256 must be `root` where that is given. The key that the entry
    /// states beside it must be the leaf's. Errc::token_untrusted; Errc::token_algorithm when it is
    /// not for `algorithm`.
    [[nodiscard]] static Result<SignerChain> of_key(const JsonValue& jwk, JwsAlgorithm algorithm,
                                                    std::span<const SignerCertificate> authorities,
                                                    const std::optional<Sha256>& root, Time now);

    /// The leaf's key. Errc::token_algorithm.
    [[nodiscard]] Result<JwsKey> key(std::optional<JwsAlgorithm> algorithm) const {
        return signer_certificate_key(*certificates_.front(), algorithm);
    }

    /// The leaf first, what is trusted last; at least one.
    [[nodiscard]] const std::vector<SignerCertificate>& certificates() const noexcept {
        return certificates_;
    }

 private:
    explicit SignerChain(std::vector<SignerCertificate> certificates)
        : certificates_(std::move(certificates)) {}
    std::vector<SignerCertificate> certificates_;
};

/// The subject in one line, for people, escaped by OpenSSL.
[[nodiscard]] std::string signer_name(const X509& certificate);

/// Addresses of the whole list of revoked certificates that `certificate` names, at most 4;
/// anything that is no address of printable characters is passed over.
[[nodiscard]] std::vector<std::string> crl_addresses(const X509& certificate);

/// A list of revoked certificates of a signer's issuer. Cheap to copy (shared).
class SignerCrl final {
 public:
    /// DER, or one PEM block; at most 1 MiB. A critical extension, as of lists that hold a part or
    /// differences, is refused, and so is one without nextUpdate: Errc::crl_malformed.
    [[nodiscard]] static Result<SignerCrl> parse(ByteView bytes);

    /// Whether `issuer` signed it and it holds at `now`. Errc::crl_issuer for a list of another's,
    /// or of one who may not sign lists; Errc::crl_signature (also for weak algorithms),
    /// Errc::crl_expired, Errc::crl_not_yet_valid (by more than a minute).
    [[nodiscard]] Result<void> check(const X509& issuer, Time now) const;

    /// Whether it names this certificate of its issuer's.
    [[nodiscard]] bool revokes(const X509& certificate) const;

 private:
    explicit SignerCrl(std::shared_ptr<X509_CRL> list) : list_(std::move(list)) {}
    std::shared_ptr<X509_CRL> list_;
};

}  // namespace attestd
