// The cryptography of Intel evidence (`spec/tdx.md` section 6, steps 1 to 9).
//
// Two parts: the platform (PCK chain, revocation, collateral, quoting enclave), which is the same
// for every quote of one machine and can be remembered; and the quote itself.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/intel/quote.h"
#include "verifier/endorsements.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/tcb_evaluation.h"
#include "verifier/intel/tcb_info.h"
#include "verifier/trust_anchors.h"

namespace attestd {

/// What PCK certificate, TCB info and enclave identity say of a platform. Without the revocation
/// lists behind them it can refuse, and no more.
struct PlatformFacts {
    PckExtension pck;
    TcbInfo tcb_info;
    EnclaveIdentity qe_identity;
    std::uint16_t qe_isv_svn;
};

/// A platform whose attestation key may be believed within `validity`, which begins at the time of
/// verification: at another time another document may have been the one to choose.
struct VerifiedPlatform {
    PlatformFacts facts;
    PublicKey attestation_key;
    Window validity;
    Grade grade;
};

/// What became of an attempt: all of it, or what is absent, or what is wrong. `failure` outranks.
struct PlatformOutcome {
    std::shared_ptr<const VerifiedPlatform> platform;  ///< null unless everything held
    std::optional<PlatformFacts> unproven;  ///< when nothing but revocation lists is absent
    std::vector<Error> absent;              ///< endorsements that were not given
    std::optional<Error> failure;           ///< the first check that failed
};

/// Steps 1 to 6 and the key of step 7, as of `now`. Goes on past absent endorsements, so that what
/// can be refused is refused; stops at the first failure.
[[nodiscard]] PlatformOutcome verify_platform(const ParsedQuote& quote,
                                              const Endorsements& endorsements,
                                              const TrustAnchors& anchors, Time now);

/// Step 7 under a key that is yet to be believed. Errc::quote_signature.
[[nodiscard]] Result<void> verify_quote_signature(const ParsedQuote& quote,
                                                  const PublicKey& attestation_key);

/// Step 8 for both sets of SVNs. Errc::tdx_module_unknown, Errc::tdx_module_mismatch.
[[nodiscard]] Result<void> verify_tdx_module(const IntelQuote& quote, const TcbInfo& info);

/// The attestation key of a quote. Errc::quote_signature when it is not a point on P-256.
[[nodiscard]] Result<PublicKey> attestation_key_of(const ParsedQuote& quote);

}  // namespace attestd
