// Certificate revocation lists (RFC 5280 section 5, version 2), decoded strictly.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/public_key.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/x509/algorithm.h"
#include "quote/x509/name.h"

namespace attestd {

inline constexpr std::size_t kMaxCrlLen = std::size_t{1} << 20;

/// A decoded list. Cheap to copy: copies share the bytes.
class Crl final {
 public:
    /// Decodes exactly one list. A list without nextUpdate or with a critical extension is refused:
    /// Errc::bad_der. Errc::too_large, Errc::unsupported_version, Errc::chain_algorithm.
    [[nodiscard]] static Result<Crl> parse(ByteView der);

    [[nodiscard]] ByteView der() const noexcept { return *bytes_; }
    [[nodiscard]] const DistinguishedName& issuer() const noexcept { return issuer_; }
    [[nodiscard]] const Window& validity() const noexcept {
        return validity_;
    }  ///< thisUpdate, nextUpdate
    [[nodiscard]] SignatureAlgorithm algorithm() const noexcept { return algorithm_; }
    [[nodiscard]] const std::vector<ByteView>& revoked_serials() const noexcept { return revoked_; }
    [[nodiscard]] const std::optional<ByteView>& number() const noexcept {
        return number_;
    }  ///< CRLNumber

    /// Whether the list names this serial number (magnitude, big-endian).
    [[nodiscard]] bool revokes(ByteView serial) const noexcept;

    /// Whether `issuer_key` signed this list with the algorithm that it names.
    [[nodiscard]] bool signed_by(const PublicKey& issuer_key) const;

 private:
    Crl() = default;
    Result<void> parse_tbs();
    Result<void> parse_entries(DerReader& in);
    Result<void> parse_extensions(DerReader& in);

    std::shared_ptr<const Bytes> bytes_;
    ByteView tbs_, signature_, inner_algorithm_;
    DistinguishedName issuer_;
    Window validity_;
    SignatureAlgorithm algorithm_{};
    std::vector<ByteView> revoked_;
    std::optional<ByteView> number_;
};

}  // namespace attestd
