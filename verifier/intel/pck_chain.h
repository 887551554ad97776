// PCK chain: leaf, platform or processor CA, pinned root; and the chain that signs Intel's
// documents
// (`spec/tdx.md` sections 4 and 6, steps 2 and 4).
#pragma once

#include <optional>
#include <vector>

#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/intel/pck_extension.h"
#include "quote/intel/quote.h"
#include "quote/x509/certificate.h"
#include "verifier/endorsements.h"
#include "verifier/internal/chain.h"
#include "verifier/trust_anchors.h"

namespace attestd {

/// A PCK chain as it was given. The issuers are left as bytes: who verified them before need not
/// decode them again.
struct GivenPckChain {
    Certificate leaf;
    Result<std::optional<PckExtension>> pck;  ///< of the leaf; judged together with it
    Bytes intermediate, root;                 ///< DER
};

/// The issuers of PCK certificates, up to a trust anchor.
struct VerifiedAuthorities {
    VerifiedCertificate intermediate;
    VerifiedRoot root;
};

/// A PCK certificate that its authority issued. Revocation is judged elsewhere.
struct VerifiedPckLeaf {
    VerifiedCertificate verified;
    PckExtension pck;
};

/// The chain that comes with the quote, exactly [leaf, intermediate, root], or, for a quote that
/// carries none, the one among `endorsements` whose leaf signed its QE report. Errc::chain_missing,
/// Errc::chain_malformed.
[[nodiscard]] Result<GivenPckChain> find_pck_chain(const ParsedQuote& quote,
                                                   const Endorsements& endorsements);

/// Verifies the chain's root and intermediate as of `now`. Errc::chain_*.
[[nodiscard]] Result<VerifiedAuthorities> verify_pck_authorities(const GivenPckChain& chain,
                                                                 const TrustAnchors& anchors,
                                                                 Time now);

/// Verifies the chain's leaf under an intermediate that was verified. Errc::chain_*.
[[nodiscard]] Result<VerifiedPckLeaf> verify_pck_leaf(const GivenPckChain& chain,
                                                      const VerifiedCertificate& intermediate,
                                                      Time now);

/// Verifies a certificate as Intel's root as of `now`: name, constraints, dates, trust anchor and
/// its own signature. Errc::chain_*.
[[nodiscard]] Result<VerifiedRoot> verify_intel_root(const Certificate& root,
                                                     const TrustAnchors& anchors, Time now);

/// Verifies the platform or processor CA under its root as of `now`. Errc::chain_*.
[[nodiscard]] Result<VerifiedCertificate> verify_pck_ca(const Certificate& ca,
                                                        const VerifiedRoot& root, Time now);

/// Verifies exactly [TCB signer, root] as of `now`. The root must be of the same key as
/// `known_root`, the PCK chain's (null while that is absent); when it is the same certificate, it
/// is not verified again. Errc::chain_*.
[[nodiscard]] Result<VerifiedCertificate> verify_tcb_signer(const std::vector<Certificate>& chain,
                                                            const VerifiedRoot* known_root,
                                                            const TrustAnchors& anchors, Time now);

/// Common names of Intel's SGX hierarchy.
inline constexpr std::string_view kIntelRootName = "Intel SGX Root CA";
inline constexpr std::string_view kPlatformCaName = "Intel SGX PCK Platform CA";
inline constexpr std::string_view kProcessorCaName = "Intel SGX PCK Processor CA";
inline constexpr std::string_view kPckLeafName = "Intel SGX PCK Certificate";
inline constexpr std::string_view kTcbSignerName = "Intel SGX TCB Signing";

}  // namespace attestd
