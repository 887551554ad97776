// The platform behind an Intel quote (`spec/tdx.md` section 6, steps 1 to 6): PCK chain,
// revocation, collateral, quoting enclave.
//
// It is the same for every quote of one machine, and all of it but the PCK certificate and the
// quoting enclave's report is the same for every machine of one model: both can be remembered.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/intel/quote.h"
#include "verifier/endorsements.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/pck_chain.h"
#include "verifier/intel/tcb_info.h"
#include "verifier/internal/chain.h"
#include "verifier/internal/memory.h"
#include "verifier/trust_anchors.h"
#include "verifier/used_endorsements.h"

namespace attestd {

/// What PCK certificate, TCB info and enclave identity say of a platform. Without the revocation
/// lists behind them it can refuse, and no more.
struct PlatformFacts {
    PckExtension pck;
    std::shared_ptr<const TcbInfo> tcb_info;             ///< never null
    std::shared_ptr<const EnclaveIdentity> qe_identity;  ///< never null
    std::uint16_t qe_isv_svn;
};

/// A platform whose attestation key may be believed within `validity`, which begins at the time of
/// verification: at another time another document may have been the one to choose.
struct VerifiedPlatform {
    PlatformFacts facts;
    PublicKey attestation_key;
    Window validity;
    Grade grade;
    std::shared_ptr<const UsedEndorsements> rests_on;
};

/// What holds for every platform of one model under one PCK authority, within `validity`, which
/// begins at the time of verification: only what rests on the PCK certificate itself is left to do.
struct VerifiedCollateral {
    VerifiedAuthorities authorities;
    VerifiedCrls pck_crls;
    std::vector<std::shared_ptr<const Crl>> crls;  ///< the newest of the root's and the authority's
    std::shared_ptr<const TcbInfo> tcb_info;
    std::shared_ptr<const EnclaveIdentity> qe_identity;
    Window validity;
};

/// Verified collateral by the digest of all that it was verified from.
using CollateralMemory = Memory<VerifiedCollateral>;

/// What became of an attempt: all of it, or what is absent, or what is wrong. `failure` outranks.
struct PlatformOutcome {
    std::shared_ptr<const VerifiedPlatform> platform;  ///< null unless everything held
    std::optional<PlatformFacts> unproven;  ///< when nothing but revocation lists is absent
    std::vector<Error> absent;              ///< endorsements that were not given
    std::optional<Error> failure;           ///< the first check that failed
};

/// Steps 1 to 6 and the key of step 7, as of `now`. Goes on past absent endorsements, so that what
/// can be refused is refused; stops at the first failure. `memory` spares steps 3 to 5 for
/// platforms alike; use each with one set of trust anchors only.
[[nodiscard]] PlatformOutcome verify_platform(const ParsedQuote& quote,
                                              const Endorsements& endorsements,
                                              const TrustAnchors& anchors, CollateralMemory& memory,
                                              Time now);

}  // namespace attestd
