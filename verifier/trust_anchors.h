// TrustAnchors: the keys that chains may end in, known by the SHA-256 of their
// SubjectPublicKeyInfo.
//
// The vendors' keys are pinned here and nowhere else. A key that somebody adds makes every result
// that rests on it test grade.
#pragma once

#include <optional>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"
#include "verifier/grade.h"

namespace attestd {

class TrustAnchors final {
 public:
    /// The vendors' own keys: one of Intel, one for each AMD product (`spec/tdx.md` 1,
    /// `spec/snp.md` 6).
    TrustAnchors() = default;

    /// Adds the key of a self-signed certificate (DER or PEM). Errc::bad_der,
    /// Errc::chain_malformed.
    [[nodiscard]] Result<void> add_certificate(ByteView der_or_pem);

    /// The grade that a chain gains by ending in the key with this digest; empty when it is trusted
    /// for nothing. For AMD, `product` must be the one that the key is pinned for ("Milan").
    [[nodiscard]] std::optional<Grade> intel_root(const Sha256& spki) const noexcept;
    [[nodiscard]] std::optional<Grade> amd_root(const Sha256& spki,
                                                std::string_view product) const noexcept;

 private:
    [[nodiscard]] bool is_added(const Sha256& spki) const noexcept;
    std::vector<Sha256> added_;
};

}  // namespace attestd
