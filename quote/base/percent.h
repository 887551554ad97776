// Percent-decoding: `%XX` alone; a '+' stays a '+', for base64 has it.
#pragma once

#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

/// Errc::bad_encoding for a '%' without two hexadecimal digits.
[[nodiscard]] Result<std::string> percent_decode(std::string_view text, std::string_view what);

}  // namespace attestd
