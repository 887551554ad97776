// Endorsements: everything that vendors sign about platforms, gathered from wherever it was given.
//
// Add bytes in any mix and any order; each piece is recognised by what it is. Parsing happens here, once;
// believing happens later and elsewhere.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"
#include "quote/x509/certificate.h"
#include "quote/x509/crl.h"

namespace attestd {

/// A signed JSON document of Intel's, as served: the exact signed text, its signature and its chain.
struct SignedDocument {
    std::string text;          ///< the signed bytes, from `{` to `}`
    ByteArray<64> signature;   ///< r then s, big-endian
    std::vector<Certificate> chain;  ///< signer, root; empty when given apart
};

class Endorsements final {
 public:
    Endorsements();

    /// Recognises and adds `bytes`: PEM or DER certificates and CRLs, an SNP certificate table, a TCB
    /// info or QE identity document, or the one-file collateral JSON. Errc::unknown_format, or the
    /// parse error of the format it was recognised as. `name` is for error texts.
    [[nodiscard]] Result<void> add(ByteView bytes, std::string_view name);

    [[nodiscard]] const std::vector<Certificate>& certificates() const noexcept { return certificates_; }
    [[nodiscard]] const std::vector<Crl>& crls() const noexcept { return crls_; }
    [[nodiscard]] const std::vector<SignedDocument>& tcb_infos() const noexcept { return tcb_infos_; }
    [[nodiscard]] const std::vector<SignedDocument>& qe_identities() const noexcept {
        return qe_identities_;
    }

    /// Changes with every byte that was added: what caches are keyed by.
    [[nodiscard]] const Sha256& digest() const noexcept { return digest_; }

 private:
    std::vector<Certificate> certificates_;
    std::vector<Crl> crls_;
    std::vector<SignedDocument> tcb_infos_, qe_identities_;
    Sha256 digest_{};
};

}  // namespace attestd
