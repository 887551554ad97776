// Markup that is built, never pasted together: what comes from evidence can become text and nothing
// else.
//
// Unescaped markup is taken from literals alone, by a constructor that runs at compile time; a
// string that a file or a certificate brought does not fit there. HTML's living standard, section
// 13.3 (escaping a string).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace attestd::cli {

/// Markup of the program's own. Made from string literals only: anything else does not compile.
class Markup final {
 public:
    template <std::size_t N>
    consteval Markup(  // NOLINT(google-explicit-constructor): literals are meant to convert
        const char (&literal)[N])
        : text_(literal, N - 1) {}

    [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

 private:
    std::string_view text_;
};

/// `text` as text of a page or a quoted attribute: & < > " ' as references, and what is not
/// printable ASCII as \xNN, so that neither control characters nor directions of writing reach the
/// page.
[[nodiscard]] std::string escape_html(std::string_view text);

class Html final {
 public:
    Html& put(Markup markup) {
        out_ += markup.text();
        return *this;
    }
    /// Escaped: for everything that is not the program's own.
    Html& text(std::string_view untrusted) {
        out_ += escape_html(untrusted);
        return *this;
    }
    Html& number(std::size_t value);
    /// `open`, the escaped text, `close`.
    Html& element(Markup open, std::string_view untrusted, Markup close) {
        return put(open).text(untrusted).put(close);
    }

    [[nodiscard]] const std::string& str() const noexcept { return out_; }

 private:
    std::string out_;
};

}  // namespace attestd::cli
