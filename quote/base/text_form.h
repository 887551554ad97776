// Bytes that people pass around as text: hexadecimal or base64, found out by looking.
#pragma once

#include "quote/base/bytes.h"

namespace attestd {

/// `bytes` decoded when all of them are hexadecimal or base64 text (blanks and newlines aside, an
/// even number of digits, at least 16 of them), else as they are.
[[nodiscard]] Bytes decode_text_form(ByteView bytes);

}  // namespace attestd
