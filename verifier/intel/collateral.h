// Verified collateral: TCB info and enclave identity for one platform (`spec/tdx.md` section 6,
// steps 4, 5).
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "quote/base/result.h"
#include "quote/base/time.h"
#include "verifier/endorsements.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/pck_chain.h"
#include "verifier/intel/tcb_info.h"

namespace attestd {

/// A document whose signature, chain, revocation and dates hold, with the span in which they do.
template <class Body>
struct VerifiedDocument {
    std::shared_ptr<const Body> body;
    Window validity;
};

/// What the documents are judged against. What is null is absent, which the caller has noted;
/// everything else is still judged.
struct CollateralContext {
    const Endorsements& endorsements;
    const TrustAnchors& anchors;
    const VerifiedRoot* root;  ///< of the PCK chain
    const PckExtension* pck;   ///< without it documents for any model of platform will do
    const VerifiedCrls* root_crls;
    bool tdx;
    Time now;
    /// The signer verified last: both documents usually come with the same chain.
    std::optional<std::pair<std::vector<Certificate>, VerifiedCertificate>> known_signer;
    /// When the first of the documents that are not yet in force comes into it.
    Time next_from = Time::max();
};

/// The best TCB info among those given: of those that hold, the one with the highest evaluation
/// data number, then the newest. When none holds, the error of the one that came furthest.
/// Errc::tcb_info_missing, Errc::tcb_info_*, Errc::tcb_signer_revoked.
[[nodiscard]] Result<VerifiedDocument<TcbInfo>> verify_tcb_info(CollateralContext& context);

/// The same for the quoting enclave's identity. Errc::qe_identity_missing, Errc::qe_identity_*, ...
[[nodiscard]] Result<VerifiedDocument<EnclaveIdentity>> verify_qe_identity(
    CollateralContext& context);

}  // namespace attestd
