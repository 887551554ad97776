// Inspection: any evidence or endorsement, recognised and taken apart. Nothing is verified.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "verifier/endorsements.h"

namespace attestd::cli {

struct Inspection {
    std::string format;             ///< "tdx-quote-v4", "crl", ...
    nlohmann::ordered_json fields;  ///< under the names of DESIGN section 6
    nlohmann::ordered_json more;    ///< further members: certification data, padding, entries
};

/// Recognises `bytes` by what they are. `given` tells the product of a version 2 SNP report.
/// Errc::unknown_format, or the parse error of the format that was recognised.
[[nodiscard]] Result<Inspection> inspect_bytes(ByteView bytes, const Endorsements& given);

}  // namespace attestd::cli
