#include "quote/x509/der.h"

#include <fmt/format.h>

namespace attestd {
namespace {

constexpr std::size_t kMaxLengthBytes = 3;

// The magnitude of an INTEGER's content; empty when negative or not minimal.
ByteView magnitude(ByteView content) noexcept {
    if (content.empty() || (content[0] & 0x80) != 0) return {};
    if (content[0] != 0 || content.size() == 1) return content;
    return (content[1] & 0x80) != 0 ? content.subspan(1) : ByteView{};
}

}  // namespace

std::uint8_t DerReader::peek() const noexcept {
    return at_end() ? std::uint8_t{0} : reader_.rest()[0];
}

Result<DerElement> DerReader::any(std::string_view what) {
    const ByteView start = reader_.rest();
    ATTESTD_TRY(const std::uint8_t tag, reader_.u8(what));
    if ((tag & 0x1f) == 0x1f) return fail_here(what, "a tag of several bytes");
    ATTESTD_TRY(const std::uint8_t first, reader_.u8(what));
    std::size_t len = first;
    if (first >= 0x80) {
        const std::size_t num_bytes = first & 0x7f;
        if (num_bytes == 0 || num_bytes > kMaxLengthBytes)
            return fail_here(what, "length form not allowed");
        ATTESTD_TRY(const ByteView bytes, reader_.bytes(num_bytes, what));
        len = 0;
        for (const std::uint8_t b : bytes) len = len << 8 | b;
        const bool minimal = num_bytes == 1 ? len >= 0x80 : len >> (8 * (num_bytes - 1)) != 0;
        if (!minimal) return fail_here(what, "length is not in its shortest form");
    }
    ATTESTD_TRY(const ByteView content, reader_.bytes(len, what));
    return DerElement{tag, content, start.first(start.size() - reader_.remaining())};
}

Result<DerElement> DerReader::element(std::uint8_t tag, std::string_view what) {
    if (peek() != tag) {
        return fail_here(what,
                         fmt::format("tag 0x{:02x} is expected, 0x{:02x} found", tag, peek()));
    }
    return any(what);
}

Result<DerReader> DerReader::enter(std::uint8_t tag, std::string_view what) {
    ATTESTD_TRY(const DerElement found, element(tag, what));
    return DerReader(found.content, reader_.offset() - found.content.size());
}

Result<ByteView> DerReader::oid(std::string_view what) {
    ATTESTD_TRY(const DerElement found, element(der::kOid, what));
    if (found.content.empty()) return fail_here(what, "empty object identifier");
    // X.690 section 8.19.2: the last byte of each arc, and no other, has bit 8 clear; none begins
    // with a byte that adds nothing.
    bool begins = true;
    for (const std::uint8_t byte : found.content) {
        if (begins && byte == 0x80) return fail_here(what, "an arc is padded");
        begins = (byte & 0x80) == 0;
    }
    if (!begins) return fail_here(what, "the last arc does not end");
    return found.content;
}

Result<ByteView> DerReader::unsigned_integer(std::string_view what) {
    ATTESTD_TRY(const DerElement found, element(der::kInteger, what));
    const ByteView number = magnitude(found.content);
    if (number.empty()) return fail_here(what, "INTEGER is negative or not in its shortest form");
    return number;
}

Result<std::uint32_t> DerReader::small_integer(std::uint32_t max, std::string_view what,
                                               std::uint8_t tag) {
    ATTESTD_TRY(const DerElement found, element(tag, what));
    const ByteView number = magnitude(found.content);
    if (number.empty()) return fail_here(what, "INTEGER is negative or not in its shortest form");
    if (number.size() > 4) return fail_here(what, fmt::format("INTEGER is over {}", max));
    std::uint64_t value = 0;
    for (const std::uint8_t b : number) value = value << 8 | b;
    if (value > max) return fail_here(what, fmt::format("INTEGER is over {}", max));
    return static_cast<std::uint32_t>(value);
}

Result<bool> DerReader::boolean(std::string_view what) {
    ATTESTD_TRY(const DerElement found, element(der::kBoolean, what));
    if (found.content.size() != 1 || (found.content[0] != 0x00 && found.content[0] != 0xff)) {
        return fail_here(what, "BOOLEAN is neither 00 nor ff");
    }
    return found.content[0] == 0xff;
}

Result<ByteView> DerReader::octet_string(std::string_view what) {
    ATTESTD_TRY(const DerElement found, element(der::kOctetString, what));
    return found.content;
}

Result<ByteView> DerReader::bit_string(std::string_view what) {
    ATTESTD_TRY(const DerElement found, element(der::kBitString, what));
    if (found.content.empty() || found.content[0] != 0) {
        return fail_here(what, "BIT STRING is empty or has unused bits");
    }
    return found.content.subspan(1);
}

Result<Time> DerReader::time(std::string_view what) {
    const bool utc = peek() == der::kUtcTime;
    ATTESTD_TRY(const DerElement found, element(utc ? der::kUtcTime : der::kGeneralizedTime, what));
    const std::string_view text = as_text(found.content);
    const std::size_t year_len = utc ? 2 : 4;
    if (text.size() != year_len + 11 || text.back() != 'Z')
        return fail_here(what, "form of the time");
    const auto number = [&](std::size_t at, std::size_t len) {
        unsigned value = 0;
        for (const char c : text.substr(at, len))
            value = value * 10 + static_cast<unsigned>(c - '0');
        return value;
    };
    if (text.find_first_not_of("0123456789") != text.size() - 1)
        return fail_here(what, "digits of the time");
    unsigned year = number(0, year_len);
    if (utc) year += year < 50 ? 2000 : 1900;
    // RFC 5280 writes years up to 2049 as UTCTime and later ones as GeneralizedTime.
    if (!utc && year < 2050) return fail_here(what, "a year before 2050 as GeneralizedTime");
    auto out =
        make_time(static_cast<int>(year), number(year_len, 2), number(year_len + 2, 2),
                  number(year_len + 4, 2), number(year_len + 6, 2), number(year_len + 8, 2), what);
    if (!out) return fail_here(what, "no such date or time");
    return out;
}

Result<void> DerReader::finish(std::string_view what) const {
    if (at_end()) return {};
    return fail_here(what, fmt::format("{} bytes follow where it must end", reader_.remaining()));
}

}  // namespace attestd
