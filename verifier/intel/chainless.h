// A quote whose PCK chain is absent (`spec/tdx.md` section 3.3, certification data of types 1 to
// 4): nothing of it can be believed, but what is given and wrong can be refused.
#pragma once

#include <optional>

#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/intel/quote.h"
#include "verifier/endorsements.h"
#include "verifier/trust_anchors.h"

namespace attestd {

/// What stays wrong whichever PCK chain were given: no document or list given holds under any root
/// given, or the quoting enclave or TDX module is none that those which hold describe. Absences are
/// not failures here: that of the chain outranks them.
[[nodiscard]] std::optional<Error> find_failure_without_chain(const ParsedQuote& quote,
                                                              const Endorsements& endorsements,
                                                              const TrustAnchors& anchors,
                                                              Time now);

}  // namespace attestd
