// Needs: which endorsements a piece of evidence calls for.
#pragma once

#include <vector>

#include "agent/collateral/endorsement_id.h"
#include "quote/base/result.h"
#include "verifier/endorsements.h"

namespace attestd {

/// The endorsements that the appraisal of `evidence` (TDX or SGX quote, SNP report) rests on, apart
/// from what it carries itself; issuers come before what they issued. `given` may tell what the
/// evidence does not: the chain of a quote without one, the product of a version 2 report. A quote
/// without a chain needs its PCK certificate first, and nothing else until that is given: ask again
/// then. Errc::chain_missing, Errc::product_unknown, Errc::unknown_format, or why it does not
/// parse. A VLEK is not among them: the host gives it.
[[nodiscard]] Result<std::vector<EndorsementId>> needed_endorsements(ByteView evidence,
                                                                     const Endorsements& given);

}  // namespace attestd
