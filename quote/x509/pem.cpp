#include "quote/x509/pem.h"

#include <fmt/format.h>

#include <algorithm>

#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kMaxBlocks = 64;

// Lines of a text, without their newline; counts them for error texts.
class Lines {
 public:
    Lines(std::string_view text, PemStyle style) : rest_(text), style_(style) {}

    bool done() const noexcept { return rest_.empty(); }
    std::size_t number() const noexcept { return number_; }

    std::string_view next() noexcept {
        const auto end = rest_.find('\n');
        std::string_view line = rest_.substr(0, end);
        rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
        ++number_;
        if (style_ == PemStyle::file && line.ends_with('\r')) line.remove_suffix(1);
        return line;
    }

 private:
    std::string_view rest_;
    PemStyle style_;
    std::size_t number_ = 0;
};

tl::unexpected<Error> bad(const Lines& lines, std::string_view why) {
    return fail(Errc::bad_encoding, fmt::format("PEM, line {}: {}", lines.number(), why));
}

// Labels end in error texts and JSON.
bool is_printable(std::string_view label) noexcept {
    return std::all_of(label.begin(), label.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

// The lines of one block after its first, up to and with its END line.
Result<Bytes> parse_body(Lines& lines, std::string_view label) {
    std::string digits;
    std::size_t line_len = 0;
    bool last = false;
    while (!lines.done()) {
        const std::string_view line = lines.next();
        if (line.starts_with(kEnd)) {
            if (line != fmt::format("{}{}{}", kEnd, label, kDashes))
                return bad(lines, "END does not fit BEGIN");
            return from_base64(digits, fmt::format("PEM, block before line {}", lines.number()));
        }
        if (line_len == 0) line_len = line.size() > 64 ? 76 : 64;
        if (last || line.empty() || line.size() > line_len) return bad(lines, "length of the line");
        last = line.size() < line_len;
        digits += line;
    }
    return bad(lines, "the END line is missing");
}

}  // namespace

Result<std::vector<PemBlock>> parse_pem(std::string_view text, PemStyle style) {
    std::vector<PemBlock> blocks;
    Lines lines(text, style);
    while (!lines.done()) {
        const std::string_view line = lines.next();
        const bool begins = line.starts_with(kBegin) && line.ends_with(kDashes) &&
                            line.size() > kBegin.size() + kDashes.size();
        if (!begins && style == PemStyle::file) continue;
        if (!begins) return bad(lines, "a BEGIN line is expected");
        if (blocks.size() == kMaxBlocks) return bad(lines, "over 64 blocks");
        PemBlock block;
        block.label = line.substr(kBegin.size(), line.size() - kBegin.size() - kDashes.size());
        if (!is_printable(block.label)) return bad(lines, "the label is not printable ASCII");
        ATTESTD_TRY(block.der, parse_body(lines, block.label));
        blocks.push_back(std::move(block));
    }
    if (blocks.empty()) return fail(Errc::bad_encoding, "PEM: no BEGIN line");
    return blocks;
}

bool looks_like_pem(ByteView bytes) noexcept {
    return as_text(bytes).find(kBegin) != std::string_view::npos;
}

std::string to_pem(std::string_view label, ByteView der) {
    const std::string digits = to_base64(der);
    std::string out = fmt::format("{}{}{}\n", kBegin, label, kDashes);
    for (std::size_t at = 0; at < digits.size(); at += 64) {
        out += std::string_view(digits).substr(at, 64);
        out += '\n';
    }
    return out + fmt::format("{}{}{}\n", kEnd, label, kDashes);
}

}  // namespace attestd
