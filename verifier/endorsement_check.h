// Endorsements judged by themselves, before any evidence needs them: what a cache may keep.
//
// Each is recognised, its signatures and chain are verified as of a given time under the trust
// anchors, and it gets a key that says which endorsement it is, whatever its date. What is dated
// can then be held against the newest one seen under its key.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quote/amd/product.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "verifier/endorsements.h"
#include "verifier/grade.h"
#include "verifier/trust_anchors.h"

namespace attestd {

/// An endorsement that holds by itself.
struct CheckedEndorsement {
    /// "intel-tcb-tdx-00806f050000", "intel-qe-tdx", "intel-crl-root", "intel-crl-platform",
    /// "intel-crl-processor", "amd-crl-milan", "amd-issuers-milan", "amd-vlek-issuers-milan",
    /// "amd-vcek-milan-<hwid>-<tcb>", "amd-vlek-milan-<tcb>",
    /// "intel-pck-<SHA-256 of its SubjectPublicKeyInfo>".
    std::string key;
    /// issueDate to nextUpdate of a document, thisUpdate to nextUpdate of a list; of certificates
    /// the span in which they and their issuers are valid.
    Window validity;
    bool dated = false;  ///< there will be a newer one of the same key: document or list
    std::optional<std::uint32_t> evaluation_data_number;
    Grade grade = Grade::production;
};

/// Checks every document, list, leaf (VCEK, VLEK, PCK certificate) and AMD intermediate of `item`.
/// Issuers may also come from `context`. Other certificates (roots, signers) count as issuers only.
/// Results are in no order; an endorsement that fails is an error in its place: Errc::chain_*,
/// Errc::crl_*, Errc::tcb_info_*, Errc::qe_identity_*.
[[nodiscard]] std::vector<Result<CheckedEndorsement>> check_endorsements(
    const Endorsements& item, const Endorsements& context, const TrustAnchors& anchors, Time now);

/// Keys as above, for those who look for a certain one.
[[nodiscard]] std::string tcb_info_key(bool tdx, const ByteArray<6>& fmspc);
[[nodiscard]] std::string qe_identity_key(bool tdx);
[[nodiscard]] std::string amd_issuers_key(Product product, bool vlek);
[[nodiscard]] std::string amd_crl_key(Product product);
/// `hw_id` is empty for a VLEK.
[[nodiscard]] std::string amd_leaf_key(Product product, ByteView hw_id, const TcbVersion& tcb);
inline constexpr std::string_view kRootCrlKey = "intel-crl-root";
inline constexpr std::string_view kPlatformCrlKey = "intel-crl-platform";
inline constexpr std::string_view kProcessorCrlKey = "intel-crl-processor";

}  // namespace attestd
