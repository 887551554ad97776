// The cryptography of a vTPM's quote (`spec/snp.md` section 13).
#pragma once

#include <optional>

#include "quote/azure/azure_evidence.h"
#include "quote/base/pkcs1_key.h"
#include "quote/base/result.h"
#include "verifier/azure/azure_claims.h"

namespace attestd {

/// Verifies `quote`, in the order of section 13: form, nonce (when one is expected, over its whole
/// length), selection (exactly PCR 0 to 23 of the SHA-256 bank), digest over the given values,
/// signature. `bound_key` must come from runtime data whose binding was checked.
/// Errc::vtpm_malformed, Errc::vtpm_nonce, Errc::vtpm_selection, Errc::vtpm_digest,
/// Errc::vtpm_signature.
[[nodiscard]] Result<VtpmClaims> verify_vtpm_quote(const VtpmQuote& quote,
                                                   const Pkcs1Key& bound_key,
                                                   std::optional<ByteView> expected_nonce);

}  // namespace attestd
