// Whether a TD quote was made from the TDREPORT in a paravisor's blob.
#pragma once

#include "quote/base/result.h"
#include "quote/intel/quote.h"
#include "quote/intel/tdreport.h"

namespace attestd {

/// The name of the first field that both state and that differs; empty when all agree. A TDREPORT
/// has a MAC that only its own machine can check: the quote is what is believed.
[[nodiscard]] std::string_view first_difference(const LocalTdReport& report,
                                                const TdReport& quoted);

}  // namespace attestd
