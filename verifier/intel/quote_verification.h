// The cryptography of an Intel quote once its platform is known (`spec/tdx.md` section 6, steps 7
// and 8).
#pragma once

#include "quote/base/public_key.h"
#include "quote/base/result.h"
#include "quote/intel/quote.h"
#include "verifier/intel/platform_verification.h"
#include "verifier/intel/tcb_info.h"

namespace attestd {

/// Step 7 under a key that is yet to be believed. Errc::quote_signature.
[[nodiscard]] Result<void> verify_quote_signature(const ParsedQuote& quote,
                                                  const PublicKey& attestation_key);

/// Step 8 for both sets of SVNs. Errc::tdx_module_unknown, Errc::tdx_module_mismatch.
[[nodiscard]] Result<void> verify_tdx_module(const IntelQuote& quote, const TcbInfo& info);

/// The attestation key of a quote. Errc::quote_signature when it is not a point on P-256.
[[nodiscard]] Result<PublicKey> attestation_key_of(const ParsedQuote& quote);

}  // namespace attestd
