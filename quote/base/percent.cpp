#include "quote/base/percent.h"

#include <fmt/format.h>

#include "quote/base/encoding.h"

namespace attestd {

Result<std::string> percent_decode(std::string_view text, std::string_view what) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const auto byte = array_from_hex<1>(text.substr(i + 1, 2), what);
        if (!byte)
            return fail(Errc::bad_encoding,
                        fmt::format("{}: no two hexadecimal digits after %, at byte {}", what, i));
        out += static_cast<char>((*byte)[0]);
        i += 2;
    }
    return out;
}

}  // namespace attestd
