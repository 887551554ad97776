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

using EndorsementId =
    std::variant<TcbInfoId, QeIdentityId, PckCrlId, RootCrlId, AmdIssuersId, VcekId, AmdCrlId>;

/// The key that verifier/endorsement_check.h gives it.
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
