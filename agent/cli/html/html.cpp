#include "agent/cli/html/html.h"

#include <fmt/format.h>

namespace attestd::cli {

std::string escape_html(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                if (c >= ' ' && c <= '~')
                    out += c;
                else
                    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

Html& Html::number(std::size_t value) {
    out_ += fmt::format("{}", value);
    return *this;
}

}  // namespace attestd::cli
