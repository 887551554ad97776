// Base64url (RFC 4648 section 5), strict: what is not canonical is refused. JOSE writes it without
// padding (RFC 7515 section 2), the evidence of key brokers with it.
#pragma once

#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

enum class Base64Padding : std::uint8_t { none, full };

[[nodiscard]] std::string to_base64url(ByteView bytes, Base64Padding padding = Base64Padding::none);

/// Padding exactly as said, no blanks, no other characters, unused bits zero. Errc::bad_encoding.
[[nodiscard]] Result<Bytes> from_base64url(std::string_view text, std::string_view what,
                                           Base64Padding padding = Base64Padding::none);

}  // namespace attestd
