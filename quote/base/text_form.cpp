#include "quote/base/text_form.h"

#include <algorithm>
#include <string>

#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::size_t kMinDigits = 16;

bool is_blank(std::uint8_t c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace

Bytes decode_text_form(ByteView bytes) {
    const auto printable = [](std::uint8_t c) { return is_blank(c) || (c > 0x20 && c < 0x7f); };
    if (!std::all_of(bytes.begin(), bytes.end(), printable)) return to_bytes(bytes);
    std::string digits;
    digits.reserve(bytes.size());
    for (const char c : as_text(bytes)) {
        if (!is_blank(static_cast<std::uint8_t>(c))) digits += c;
    }
    if (digits.size() < kMinDigits) return to_bytes(bytes);
    if (auto hex = from_hex(digits, "text")) return *std::move(hex);
    if (auto base64 = from_base64(digits, "text")) return *std::move(base64);
    return to_bytes(bytes);
}

}  // namespace attestd
