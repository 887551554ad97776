// AMD's issuers: the pinned root of a product, and the intermediates under it (`spec/snp.md`
// section 6 and 10, steps 6 and 7).
#pragma once

#include <string>
#include <string_view>

#include "quote/amd/product.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "verifier/internal/chain.h"
#include "verifier/trust_anchors.h"

namespace attestd {

/// "SEV-Milan", or with `vlek` "SEV-VLEK-Milan".
[[nodiscard]] std::string amd_intermediate_name(Product product, bool vlek);

/// The name is AMD's with this common name: all of AMD's names end in the same place. `what` names
/// the certificate in errors. Errc::chain_name.
[[nodiscard]] Result<void> check_amd_name(const DistinguishedName& name,
                                          std::string_view common_name, std::string_view what);

/// A certificate of the product's pinned key, or of an added trust anchor, as of `now`.
/// Errc::chain_*.
[[nodiscard]] Result<VerifiedRoot> verify_amd_root(const Certificate& root, Product product,
                                                   const TrustAnchors& anchors, Time now);

/// ASK or ASVK as of `now`; its name is the caller's to check. Errc::chain_*.
[[nodiscard]] Result<VerifiedCertificate> verify_amd_intermediate(const Certificate& certificate,
                                                                  const VerifiedRoot& root,
                                                                  Time now);

}  // namespace attestd
