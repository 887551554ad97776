#include "agent/hashivault/secret_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace attestd::hashivault {
namespace {

constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxLen = std::size_t{2} << 20;
constexpr JsonLimits kCutLimits{.max_len = kMaxLen, .max_depth = kMaxDepth};

tl::unexpected<Error> bad_text(std::string_view why) {
    return fail(Errc::bad_json, fmt::format("the answer: {}", why));
}

bool is_blank(std::uint8_t c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int hex_value(std::uint8_t c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// RFC 8259 section 6.
bool is_number(std::string_view text) noexcept {
    const auto take_digits = [&text] {
        const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
        text.remove_prefix(end);
        return end;
    };
    if (text.starts_with('-')) text.remove_prefix(1);
    const bool leads_with_zero = text.starts_with('0');
    const std::size_t whole = take_digits();
    if (whole == 0 || (leads_with_zero && whole > 1)) return false;
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        if (take_digits() == 0) return false;
    }
    if (text.starts_with('e') || text.starts_with('E')) {
        text.remove_prefix(1);
        if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
        if (take_digits() == 0) return false;
    }
    return text.empty();
}

bool is_scalar(std::string_view text) noexcept {
    return text == "true" || text == "false" || text == "null" || is_number(text);
}

}  // namespace

// Goes over the text once and writes what the parser gets.
class Cutter {
 public:
    Cutter(ByteView in, SecretJson::Path path) : in_(in), path_(path) { out_.reserve(1024); }

    Result<void> run() {
        ATTESTD_CHECK(value(/*depth=*/0, path_.empty() ? Place::top : Place::on_the_way));
        blanks();
        if (at_ == in_.size()) return {};
        return bad_text("something follows it");
    }
    const std::string& text() const noexcept { return out_; }
    std::vector<SecretJson::Piece>& texts() noexcept { return texts_; }
    SecretJson::Piece whole() const noexcept { return whole_; }

 private:
    // Of a value: the names so far are those of the path; it is what the path names; it lies within
    // that; none of these.
    enum class Place : std::uint8_t { on_the_way, top, inside, elsewhere };

    bool is_at(char c) const noexcept {
        return at_ < in_.size() && in_[at_] == static_cast<std::uint8_t>(c);
    }
    void blanks() {
        while (at_ < in_.size() && is_blank(in_[at_])) ++at_;
    }
    Result<void> take(char c) {
        blanks();
        if (!is_at(c)) return bad_text(fmt::format("'{}' is expected at byte {}", c, at_));
        out_ += c;
        ++at_;
        return {};
    }
    bool take_if(char c) {
        blanks();
        if (!is_at(c)) return false;
        out_ += c;
        ++at_;
        return true;
    }

    Result<void> value(int depth, Place place);
    Result<void> object(int depth, Place place);
    Result<void> array(int depth, Place place);
    Result<void> scalar(Place place);
    Result<SecretJson::Piece> quoted();
    Result<void> escape();

    ByteView in_;
    SecretJson::Path path_;
    std::size_t at_ = 0;
    std::string out_;
    std::vector<SecretJson::Piece> texts_;
    SecretJson::Piece whole_{0, 0};
};

Result<void> Cutter::value(int depth, Place place) {
    blanks();
    if (depth > kMaxDepth) return fail(Errc::too_large, "the answer: nested too deeply");
    const std::size_t begin = at_;
    const bool is_secret = place == Place::top || place == Place::inside;
    if (is_at('{')) {
        ATTESTD_CHECK(object(depth, place));
    } else if (is_at('[')) {
        ATTESTD_CHECK(array(depth, place));
    } else if (is_at('"')) {
        ATTESTD_TRY(const SecretJson::Piece piece, quoted());
        if (is_secret) {
            out_ += fmt::format("\"{}\"", texts_.size());
            texts_.push_back(piece);
        } else {
            out_ += '"';
            out_ += as_text(in_.subspan(piece.at, piece.len));
            out_ += '"';
        }
    } else {
        ATTESTD_CHECK(scalar(is_secret ? Place::inside : Place::elsewhere));
    }
    if (place == Place::top) whole_ = {begin, at_ - begin};
    return {};
}

Result<void> Cutter::object(int depth, Place place) {
    ATTESTD_CHECK(take('{'));
    if (take_if('}')) return {};
    do {
        blanks();
        ATTESTD_TRY(const SecretJson::Piece piece, quoted());
        const std::string_view name = as_text(in_.subspan(piece.at, piece.len));
        Place below = place == Place::top ? Place::inside : place;
        if (place == Place::on_the_way) {
            // It could be the secret's name in another spelling.
            if (name.find('\\') != name.npos) return bad_text("a name with an escape");
            const auto level = static_cast<std::size_t>(depth);
            if (name != path_[level])
                below = Place::elsewhere;
            else if (level + 1 == path_.size())
                below = Place::top;
        }
        out_ += '"';
        out_ += name;
        out_ += '"';
        ATTESTD_CHECK(take(':'));
        ATTESTD_CHECK(value(depth + 1, below));
    } while (take_if(','));
    return take('}');
}

Result<void> Cutter::array(int depth, Place place) {
    const Place below = place == Place::top          ? Place::inside
                        : place == Place::on_the_way ? Place::elsewhere
                                                     : place;
    ATTESTD_CHECK(take('['));
    if (take_if(']')) return {};
    do {
        ATTESTD_CHECK(value(depth + 1, below));
    } while (take_if(','));
    return take(']');
}

Result<void> Cutter::scalar(Place place) {
    const std::size_t begin = at_;
    while (at_ < in_.size() && !is_blank(in_[at_]) && !is_at(',') && !is_at(']') && !is_at('}'))
        ++at_;
    const std::string_view text = as_text(in_.subspan(begin, at_ - begin));
    if (!is_scalar(text)) return bad_text(fmt::format("no value at byte {}", begin));
    out_ += place == Place::inside ? "null" : text;
    return {};
}

Result<SecretJson::Piece> Cutter::quoted() {
    if (!is_at('"')) return bad_text(fmt::format("'\"' is expected at byte {}", at_));
    const std::size_t begin = ++at_;
    while (!is_at('"')) {
        if (at_ >= in_.size()) return bad_text("it ends early");
        if (in_[at_] < 0x20) return bad_text(fmt::format("a control character at byte {}", at_));
        ATTESTD_CHECK(escape());
    }
    return SecretJson::Piece{begin, at_++ - begin};
}

// One character of a text, or one escape.
Result<void> Cutter::escape() {
    if (in_[at_] != '\\') {
        ++at_;
        return {};
    }
    const std::size_t left = in_.size() - at_;
    const char what = left > 1 ? static_cast<char>(in_[at_ + 1]) : '\0';
    if (what == 'u' && left > 5) {
        const ByteView digits = in_.subspan(at_ + 2, 4);
        if (std::all_of(digits.begin(), digits.end(),
                        [](std::uint8_t c) { return hex_value(c) >= 0; })) {
            at_ += 6;
            return {};
        }
    }
    if (what == '\0' || std::string_view("\"\\/bfnrt").find(what) == std::string_view::npos)
        return bad_text(fmt::format("no escape at byte {}", at_));
    at_ += 2;
    return {};
}

namespace {

// Writes what a text with good escapes stands for; never longer than the text.
class Unescaper {
 public:
    Unescaper(std::span<std::uint8_t> out, ByteView in) : out_(out), in_(in) {}

    // How many bytes it is. Errc::bad_json for half of a surrogate pair.
    Result<std::size_t> run() {
        while (at_ < in_.size()) {
            if (in_[at_] != '\\') {
                put(in_[at_++]);
                continue;
            }
            const char what = static_cast<char>(in_[at_ + 1]);
            if (what == 'u') {
                ATTESTD_TRY(const std::uint32_t point, code_point());
                put_utf8(point);
                continue;
            }
            put(plain(what));
            at_ += 2;
        }
        return len_;
    }

 private:
    void put(std::uint32_t byte) { out_[len_++] = static_cast<std::uint8_t>(byte); }

    static std::uint8_t plain(char what) noexcept {
        constexpr std::string_view kNames = "bfnrt", kMeanings = "\b\f\n\r\t";
        const auto i = kNames.find(what);
        return static_cast<std::uint8_t>(i == kNames.npos ? what : kMeanings[i]);
    }
    std::uint32_t unit() {
        std::uint32_t out = 0;
        for (std::size_t i = 0; i < 4; ++i)
            out = out << 4 | static_cast<std::uint32_t>(hex_value(in_[at_ + 2 + i]));
        at_ += 6;
        return out;
    }
    Result<std::uint32_t> code_point() {
        const std::uint32_t first = unit();
        if (first < 0xd800 || first > 0xdfff) return first;
        const bool has_second = in_.size() - at_ >= 6 && in_[at_] == '\\' && in_[at_ + 1] == 'u';
        const std::uint32_t second = first < 0xdc00 && has_second ? unit() : 0;
        if (second < 0xdc00 || second > 0xdfff) return bad_text("half of a surrogate pair");
        return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    }
    void put_utf8(std::uint32_t point) {
        if (point < 0x80) return put(point);
        if (point < 0x800) {
            put(0xc0 | point >> 6);
            return put(0x80 | (point & 0x3f));
        }
        if (point < 0x10000) {
            put(0xe0 | point >> 12);
        } else {
            put(0xf0 | point >> 18);
            put(0x80 | (point >> 12 & 0x3f));
        }
        put(0x80 | (point >> 6 & 0x3f));
        put(0x80 | (point & 0x3f));
    }

    std::span<std::uint8_t> out_;
    ByteView in_;
    std::size_t at_ = 0, len_ = 0;
};

}  // namespace

Result<SecretJson> SecretJson::parse(Secret text, Path secret_part) {
    if (text.size() > kMaxLen) return fail(Errc::too_large, "the answer: over 2 MiB");
    return text.expose([&](ByteView bytes) -> Result<SecretJson> {
        Cutter cutter(bytes, secret_part);
        ATTESTD_CHECK(cutter.run());
        ATTESTD_TRY(JsonDocument document,
                    JsonDocument::parse(cutter.text(), "the answer", kCutLimits));
        return SecretJson(std::move(text), std::move(document), std::move(cutter.texts()),
                          cutter.whole());
    });
}

Result<JsonDocument> SecretJson::parse_public(const Secret& text, Path secret_part) {
    if (text.size() > kMaxLen) return fail(Errc::too_large, "the answer: over 2 MiB");
    return text.expose([&](ByteView bytes) -> Result<JsonDocument> {
        Cutter cutter(bytes, secret_part);
        ATTESTD_CHECK(cutter.run());
        return JsonDocument::parse(cutter.text(), "the answer", kCutLimits);
    });
}

Result<Secret> SecretJson::text_of(const JsonValue& value) const {
    if (!value.is_text()) return value.fail_here(Errc::wrong_type, "a text is expected");
    ATTESTD_TRY(const std::string place, value.text());
    std::size_t i = 0;
    const auto [end, ec] = std::from_chars(place.data(), place.data() + place.size(), i);
    if (ec != std::errc() || end != place.data() + place.size() || i >= texts_.size())
        return fail(Errc::internal, "a text that is not of the secret part");
    const Piece piece = texts_[i];
    ATTESTD_TRY(Secret out, Secret::zeroed(piece.len));
    const auto len = text_.expose([&](ByteView bytes) {
        return out.fill([&](std::span<std::uint8_t> into) {
            return Unescaper(into, bytes.subspan(piece.at, piece.len)).run();
        });
    });
    if (!len) return tl::make_unexpected(len.error());
    out.truncate(*len);
    return out;
}

Result<Secret> SecretJson::whole() const {
    return text_.expose(
        [&](ByteView bytes) { return Secret::copy_of(bytes.subspan(whole_.at, whole_.len)); });
}

}  // namespace attestd::hashivault
