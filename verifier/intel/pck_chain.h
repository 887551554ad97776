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

/// A PCK chain that holds up to a trust anchor. Revocation is judged elsewhere.
struct VerifiedPckChain {
    VerifiedCertificate leaf, intermediate;
    VerifiedRoot root;
    PckExtension pck;
};

/// The chain that comes with the quote, or, for a quote that carries none, the one among
/// `endorsements` whose leaf signed its QE report. Errc::chain_missing, Errc::chain_malformed.
[[nodiscard]] Result<std::vector<Certificate>> find_pck_chain(const ParsedQuote& quote,
                                                              const Endorsements& endorsements);

/// Verifies exactly [leaf, intermediate, root] as of `now`. Errc::chain_*.
[[nodiscard]] Result<VerifiedPckChain> verify_pck_chain(const std::vector<Certificate>& chain,
                                                        const TrustAnchors& anchors, Time now);

/// Verifies a certificate as Intel's root as of `now`: name, constraints, dates, trust anchor and
/// its own signature. Errc::chain_*.
[[nodiscard]] Result<VerifiedRoot> verify_intel_root(const Certificate& root,
                                                     const TrustAnchors& anchors, Time now);

/// Verifies the platform or processor CA under its root as of `now`. Errc::chain_*.
[[nodiscard]] Result<VerifiedCertificate> verify_pck_ca(const Certificate& ca,
                                                        const VerifiedRoot& root, Time now);

/// Verifies exactly [TCB signer, root] as of `now`; `known_root`, when it is the same certificate,
/// is not verified again. Errc::chain_*.
[[nodiscard]] Result<VerifiedCertificate> verify_tcb_signer(const std::vector<Certificate>& chain,
                                                            const VerifiedRoot& known_root,
                                                            const TrustAnchors& anchors, Time now);

/// Common names of Intel's SGX hierarchy.
inline constexpr std::string_view kIntelRootName = "Intel SGX Root CA";
inline constexpr std::string_view kPlatformCaName = "Intel SGX PCK Platform CA";
inline constexpr std::string_view kProcessorCaName = "Intel SGX PCK Processor CA";
inline constexpr std::string_view kPckLeafName = "Intel SGX PCK Certificate";
inline constexpr std::string_view kTcbSignerName = "Intel SGX TCB Signing";

}  // namespace attestd
