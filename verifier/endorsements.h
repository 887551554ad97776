// Endorsements: everything that vendors sign about platforms, gathered from wherever it was given.
//
// Add bytes in any mix and any order; each piece is recognised by what it is. Certificates and
// lists are decoded here, once; believing them happens later and elsewhere. A damaged member of a
// collateral file is kept as damaged, so that the step which needs it can refuse by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"
#include "quote/x509/certificate.h"
#include "quote/x509/crl.h"

namespace attestd {

/// What a collateral file says that a revocation list in it is for.
enum class CrlRole : std::uint8_t { unsaid, root, pck };

struct GivenCrl {
    Result<Crl> crl;  ///< the error when the list does not parse
    CrlRole role = CrlRole::unsaid;
    /// The issuer's chain that came beside it: intermediate, root. Empty when there was none.
    Result<std::vector<Certificate>> chain = std::vector<Certificate>{};
};

/// A signed JSON document of Intel's, as served: the exact signed text, its signature and its
/// chain.
struct SignedDocument {
    std::string text;         ///< the signed bytes, from `{` to `}`
    Result<Bytes> signature;  ///< r then s, big-endian; the error when it is not hexadecimal
    Result<std::vector<Certificate>> chain;  ///< signer, root; empty when given apart
};

class Endorsements final {
 public:
    /// Recognises and adds `bytes`: PEM, DER or hexadecimal certificates and CRLs, an SNP
    /// certificate table (also behind its report, or all zero), a TCB info or enclave identity
    /// document, or the one-file collateral JSON. Errc::unknown_format, or the error of the format
    /// it was recognised as; nothing was added then. `name` is for error texts.
    [[nodiscard]] Result<void> add(ByteView bytes, std::string_view name);

    [[nodiscard]] const std::vector<Certificate>& certificates() const noexcept {
        return certificates_;
    }
    [[nodiscard]] const std::vector<GivenCrl>& crls() const noexcept { return crls_; }
    [[nodiscard]] const std::vector<SignedDocument>& tcb_infos() const noexcept {
        return tcb_infos_;
    }
    [[nodiscard]] const std::vector<SignedDocument>& qe_identities() const noexcept {
        return qe_identities_;
    }

    /// Changes with every byte that was added: what caches are keyed by.
    [[nodiscard]] const Sha256& digest() const noexcept { return digest_; }

 private:
    Result<void> add_recognised(ByteView bytes, std::string_view name);
    Result<void> add_pem(ByteView bytes);
    Result<void> add_der(ByteView bytes);
    Result<void> add_table(ByteView bytes);
    Result<void> add_json(std::string_view text, std::string_view name);

    std::vector<Certificate> certificates_;
    std::vector<GivenCrl> crls_;
    std::vector<SignedDocument> tcb_infos_, qe_identities_;
    Sha256 digest_{};
};

}  // namespace attestd
