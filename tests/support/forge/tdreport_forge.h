// TDREPORT0 as the TDX module makes it for a guest: `spec/tdx.md` section 2.
#pragma once

#include "tests/support/forge/quote_forge.h"

namespace attestd::forge {

/// 1024 bytes with both hashes right, of the layout of TDX 1.5. The MAC is the CPU's secret: any
/// bytes will do.
[[nodiscard]] Bytes tdreport(const TdBody& body, const ByteArray<64>& report_data);

}  // namespace attestd::forge
