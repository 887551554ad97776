// Hexadecimal and base64, strict: what is not canonical is refused.
#pragma once

#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

/// Lower-case hexadecimal, two digits a byte.
[[nodiscard]] std::string to_hex(ByteView bytes);

/// Bytes of hexadecimal text in either case; no blanks, no prefix. Errc::bad_encoding.
[[nodiscard]] Result<Bytes> from_hex(std::string_view text, std::string_view what);

/// The same for exactly N bytes.
template <std::size_t N>
[[nodiscard]] Result<ByteArray<N>> array_from_hex(std::string_view text, std::string_view what);

/// Base64 (RFC 4648 section 4) with padding, on one line.
[[nodiscard]] std::string to_base64(ByteView bytes);

/// Base64 with padding; no blanks, no other characters, unused bits zero. Errc::bad_encoding.
[[nodiscard]] Result<Bytes> from_base64(std::string_view text, std::string_view what);

/// Decodes base64 text into `out`, for what must not be elsewhere: as from_base64(), and how many
/// bytes it was. `out` has three bytes for each four digits. Errc::bad_encoding.
[[nodiscard]] Result<std::size_t> base64_into(std::span<std::uint8_t> out, std::string_view text,
                                              std::string_view what);

/// Decodes `text` into `out`; it must have exactly two digits for each byte. Errc::bad_encoding.
[[nodiscard]] Result<void> hex_into(std::span<std::uint8_t> out, std::string_view text,
                                    std::string_view what);

template <std::size_t N>
Result<ByteArray<N>> array_from_hex(std::string_view text, std::string_view what) {
    ByteArray<N> out{};
    ATTESTD_CHECK(hex_into(out, text, what));
    return out;
}

}  // namespace attestd
