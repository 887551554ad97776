// The cryptography of SNP evidence (`spec/snp.md` section 10, steps 3 to 11).
//
// Two parts: the chain behind the signing key, which is the same for every report of one chip and
// TCB and can be remembered; and the report itself.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quote/amd/leaf_extension.h"
#include "quote/amd/snp_report.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "verifier/endorsements.h"
#include "verifier/internal/chain.h"
#include "verifier/trust_anchors.h"
#include "verifier/used_endorsements.h"

namespace attestd {

struct SnpChainOptions {
    bool require_crl = false;
    bool allow_masked_chip_id = false;
    friend bool operator==(const SnpChainOptions&, const SnpChainOptions&) = default;
};

/// A leaf that may speak for the report's chip, TCB and product within `validity`.
struct VerifiedSnpLeaf {
    VerifiedCertificate leaf;
    Product product;
    std::string csp_id;  ///< of a VLEK
    bool crl_checked;
    Window validity;
    Grade grade;
    std::shared_ptr<const UsedEndorsements> rests_on;
};

/// All of them that have a key of their own: one VCEK, but as many VLEKs as providers' were given.
struct VerifiedSnpLeaves {
    std::vector<VerifiedSnpLeaf> all;
    /// When all of these, and no others, are the ones; begins at the time of verification.
    Window validity;
};

/// What became of an attempt. `failure` outranks.
struct SnpLeafOutcome {
    std::shared_ptr<const VerifiedSnpLeaves> leaves;  ///< null unless everything held for one
    /// Keys of leaves that suit while something that they rest on is absent: the report must be
    /// signed by one of them whatever else turns up.
    std::vector<PublicKey> unproven_keys;
    std::optional<Error> absent, failure;
};

/// Step 3, and in part 4: a report that was signed at all, by a product that may have a root.
/// Errc::report_unsigned, Errc::product_unknown, Errc::report_malformed.
[[nodiscard]] Result<void> check_signed(const ParsedSnpReport& report);

/// Steps 4 to 9: finds the report's leaf and its issuers among `endorsements` and verifies them as
/// of `now`. Of several candidates one that holds is enough; else an absence, if one of them lacks
/// nothing but that; else the error of the one that came furthest. Only those that suit the report
/// best are asked.
[[nodiscard]] SnpLeafOutcome verify_snp_leaf(const SnpReport& report,
                                             const Endorsements& endorsements,
                                             const TrustAnchors& anchors,
                                             const SnpChainOptions& options, Time now);

/// Step 10. Errc::report_signature.
[[nodiscard]] Result<void> verify_report_signature(const ParsedSnpReport& report,
                                                   const PublicKey& leaf_key);

/// Reserved bytes of all four TCBs in the product's layout, and step 11: REPORTED <= COMMITTED <=
/// CURRENT by component, COMMITTED version <= CURRENT version. Errc::report_malformed,
/// Errc::tcb_order.
[[nodiscard]] Result<void> check_tcb_order(const SnpReport& report, Product product);

/// A leaf that the report's certificate was issued for, by name alone: its product. For looking at
/// reports of version 2, which do not say what made them. Nothing is verified.
[[nodiscard]] std::optional<Product> product_hint(const SnpReport& report,
                                                  const Endorsements& endorsements);

}  // namespace attestd
