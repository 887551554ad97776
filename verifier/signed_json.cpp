#include "verifier/signed_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace attestd {
namespace {

constexpr int kMaxDepth = 32;
constexpr std::string_view kBlanks = " \t\r\n";

// Walks JSON text without interpreting it: strings and brackets are all that it knows.
class Scanner {
 public:
    explicit Scanner(std::string_view text) : text_(text) {}

    void skip_blanks() noexcept {
        at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size());
    }
    bool take(char c) noexcept {
        skip_blanks();
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }
    bool done() noexcept {
        skip_blanks();
        return at_ == text_.size();
    }

    // A string's content, raw (escapes stay as they are).
    std::optional<std::string_view> string() noexcept {
        if (!take('"')) return std::nullopt;
        const std::size_t start = at_;
        for (; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\\')
                ++at_;
            else if (text_[at_] == '"')
                return text_.substr(start, at_++ - start);
        }
        return std::nullopt;
    }

    // Any value, with its brackets or quotes.
    std::optional<std::string_view> value() noexcept {
        skip_blanks();
        const std::size_t start = at_;
        int depth = 0;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"') {
                if (!string()) return std::nullopt;
            } else if (c == '{' || c == '[') {
                if (++depth > kMaxDepth) return std::nullopt;
                ++at_;
            } else if (c == '}' || c == ']') {
                if (depth == 0) break;  // the end of the object around a bare value
                --depth;
                ++at_;
            } else if (depth == 0 && (c == ',' || kBlanks.find(c) != kBlanks.npos)) {
                break;
            } else {
                ++at_;
                continue;
            }
            if (depth == 0) break;
        }
        if (depth != 0 || at_ == start) return std::nullopt;
        return text_.substr(start, at_ - start);
    }

    std::size_t at() const noexcept { return at_; }

 private:
    std::string_view text_;
    std::size_t at_ = 0;
};

// A key for an error text: whatever it is, what is shown is short and printable.
std::string shown(std::string_view key) {
    constexpr std::size_t kMaxShown = 40;
    std::string out(key.substr(0, kMaxShown));
    for (char& c : out) {
        if (c < 0x20 || c > 0x7e) c = '?';
    }
    return out;
}

tl::unexpected<Error> bad(const Scanner& in, std::string_view why) {
    return fail(Errc::bad_json, fmt::format("signed document at byte {}: {}", in.at(), why));
}

// Calls take(key, value) for each member; the object must be all of `text`.
template <class Take>
Result<void> each_member(std::string_view text, Take take) {
    Scanner in(text);
    if (!in.take('{')) return bad(in, "an object is expected");
    do {
        const auto key = in.string();
        if (!key || !in.take(':')) return bad(in, "a key is expected");
        const auto value = in.value();
        if (!value) return bad(in, "a value is expected, nested at most 32 deep");
        ATTESTD_CHECK(take(*key, *value));
    } while (in.take(','));
    if (!in.take('}') || !in.done())
        return bad(in, "the object must end here, and the text with it");
    return {};
}

}  // namespace

Result<SignedJsonParts> split_signed_json(std::string_view text, std::string_view body_key) {
    SignedJsonParts out;
    ATTESTD_CHECK(
        each_member(text, [&](std::string_view key, std::string_view value) -> Result<void> {
            std::string_view* const slot = key == body_key      ? &out.body
                                           : key == "signature" ? &out.signature
                                                                : nullptr;
            if (slot == nullptr)
                return fail(Errc::unknown_key,
                            fmt::format("signed document: key \"{}\"", shown(key)));
            if (!slot->empty())
                return fail(Errc::duplicate_key,
                            fmt::format("signed document: key \"{}\"", shown(key)));
            *slot = value;
            return {};
        }));
    if (out.body.empty() || out.signature.empty()) {
        return fail(
            Errc::missing_key,
            fmt::format("signed document: \"{}\" and \"signature\" must be there", body_key));
    }
    if (!out.body.starts_with('{'))
        return fail(Errc::wrong_type, "signed document: the body is not an object");
    if (out.signature.size() < 2 || !out.signature.starts_with('"')) {
        return fail(Errc::wrong_type, "signed document: the signature is not text");
    }
    out.signature = out.signature.substr(1, out.signature.size() - 2);
    return out;
}

bool json_has_outer_key(std::string_view text, std::string_view key) noexcept {
    Scanner in(text);
    if (!in.take('{')) return false;
    do {
        const auto found = in.string();
        if (!found || !in.take(':')) return false;
        if (*found == key) return true;
        if (!in.value()) return false;
    } while (in.take(','));
    return false;
}

}  // namespace attestd
