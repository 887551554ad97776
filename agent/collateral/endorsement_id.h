// EndorsementId: which endorsement is meant, whatever its date: what services are asked for and
// what the cache files it under.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "quote/amd/product.h"
#include "quote/base/bytes.h"

namespace attestd {

/// The PCK certificate, with its chain, of a platform whose quotes do not carry it: what the
/// quote's certification data say (types 1 to 3), and what the certificate's key has signed.
struct PckCertificateId {
    ByteArray<16> qe_id;   ///< which platform, for a PCCS
    Bytes encrypted_ppid;  ///< 256 or 384 bytes; empty when the quote says the PPID in clear
    ByteArray<16> cpu_svn;
    ByteArray<2> pce_svn;               ///< little-endian, as in the quote
    ByteArray<2> pce_id;                ///< as in the quote
    Bytes qe_report;                    ///< 384 bytes
    ByteArray<64> qe_report_signature;  ///< r then s, big-endian
    friend bool operator==(const PckCertificateId&, const PckCertificateId&) = default;
};
struct TcbInfoId {
    bool tdx;  ///< else SGX
    ByteArray<6> fmspc;
    friend bool operator==(const TcbInfoId&, const TcbInfoId&) = default;
};
struct QeIdentityId {
    bool tdx;
    friend bool operator==(const QeIdentityId&, const QeIdentityId&) = default;
};
enum class PckCa : std::uint8_t { processor, platform };
struct PckCrlId {
    PckCa ca;
    friend bool operator==(const PckCrlId&, const PckCrlId&) = default;
};
struct RootCrlId {
    friend bool operator==(const RootCrlId&, const RootCrlId&) = default;
};
struct VcekId {
    Product product;
    Bytes hw_id;  ///< 64 bytes, 8 on Turin
    TcbVersion tcb;
    friend bool operator==(const VcekId&, const VcekId&) = default;
};
/// The intermediate of a kind of leaf, and the root.
struct AmdIssuersId {
    Product product;
    bool vlek;
    friend bool operator==(const AmdIssuersId&, const AmdIssuersId&) = default;
};
struct AmdCrlId {
    Product product;
    bool vlek;  ///< which of the service's two places
    friend bool operator==(const AmdCrlId&, const AmdCrlId&) = default;
};

using EndorsementId = std::variant<PckCertificateId, TcbInfoId, QeIdentityId, PckCrlId, RootCrlId,
                                   AmdIssuersId, VcekId, AmdCrlId>;

/// The key that verifier/endorsement_check.h gives it. A PCK certificate's is not known before it
/// is seen: its name, which nothing else has.
[[nodiscard]] std::string endorsement_key(const EndorsementId& id);
/// Its name in the cache: the key, but for what one key has several of. No '/' in it.
[[nodiscard]] std::string endorsement_name(const EndorsementId& id);
/// The name with the suffix of its form.
[[nodiscard]] std::string endorsement_file(const EndorsementId& id);
/// The endorsement that the cache files under this name; empty for a VCEK, which has no newer
/// version, and for anything else.
[[nodiscard]] std::optional<EndorsementId> endorsement_of_file(std::string_view file);
/// In words: "TCB info of FMSPC 00806f050000 (TDX)".
[[nodiscard]] std::string endorsement_words(const EndorsementId& id);

}  // namespace attestd
