// The byte map: which field lies where in a quote or report, without a gap.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/cli/html/html.h"
#include "quote/base/bytes.h"

namespace attestd::cli {

/// What a range is for: one colour of the map's picture each.
enum class RangeGroup : std::uint8_t { header, body, signature, enclave, certificates, padding };

struct ByteRange {
    std::size_t offset, len;
    std::string name;  ///< as fields are named; "reserved" for what nobody reads
    RangeGroup group;
};

/// Every byte of an Intel quote (versions 3 to 5), an SNP report with what follows it, or a
/// TDREPORT, in order and without gaps. Empty for everything else, and for what does not parse.
[[nodiscard]] std::vector<ByteRange> byte_map_of(ByteView bytes);

/// A picture to scale, and a table of offsets, lengths, names and bytes. Nothing for an empty map.
void put_byte_map(Html& out, const std::vector<ByteRange>& map, ByteView bytes);

}  // namespace attestd::cli
