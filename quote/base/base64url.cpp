#include "quote/base/base64url.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/encoding.h"

namespace attestd {

std::string to_base64url(ByteView bytes, Base64Padding padding) {
    std::string out = to_base64(bytes);
    if (padding == Base64Padding::none) out.resize(std::min(out.find('='), out.size()));
    std::replace(out.begin(), out.end(), '+', '-');
    std::replace(out.begin(), out.end(), '/', '_');
    return out;
}

Result<Bytes> from_base64url(std::string_view text, std::string_view what, Base64Padding padding) {
    const bool padded = padding == Base64Padding::full;
    if (const auto at = text.find_first_of(padded ? "+/" : "+/="); at != text.npos) {
        return fail(Errc::bad_encoding,
                    fmt::format("{}: no base64url digit at character {}", what, at));
    }
    std::string plain(text);
    std::replace(plain.begin(), plain.end(), '-', '+');
    std::replace(plain.begin(), plain.end(), '_', '/');
    if (!padded) plain.append((4 - plain.size() % 4) % 4, '=');  // "===" is refused below
    return from_base64(plain, what);
}

}  // namespace attestd
