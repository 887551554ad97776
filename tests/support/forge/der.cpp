#include "tests/support/forge/der.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>

#include "tests/support/forge/writer.h"

namespace attestd::forge::der {
namespace {

void put_base128(Bytes& out, std::uint64_t value) {
    std::array<std::uint8_t, 10> digits{};
    std::size_t num_digits = 0;
    do {
        digits[num_digits++] = static_cast<std::uint8_t>(value & 0x7f);
        value >>= 7;
    } while (value != 0);
    while (num_digits-- > 0) {
        out.push_back(static_cast<std::uint8_t>(digits[num_digits] | (num_digits > 0 ? 0x80 : 0)));
    }
}

std::uint64_t take_arc(std::string_view& dotted) {
    std::uint64_t arc = 0;
    const auto [end, error] = std::from_chars(dotted.data(), dotted.data() + dotted.size(), arc);
    static_cast<void>(error);
    dotted.remove_prefix(static_cast<std::size_t>(end - dotted.data()));
    if (!dotted.empty()) dotted.remove_prefix(1);
    return arc;
}

}  // namespace

Bytes element(std::uint8_t tag, ByteView content) {
    const std::size_t len = content.size();
    std::size_t num_len_bytes = 0;  // after the first, in the long form (X.690 section 8.1.3.5)
    if (len >= 0x80) num_len_bytes = len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;
    Writer out;
    out.u8(tag);
    out.u8(static_cast<std::uint8_t>(num_len_bytes == 0 ? len : 0x80 | num_len_bytes));
    while (num_len_bytes-- > 0) {
        out.u8(static_cast<std::uint8_t>((len >> (8 * num_len_bytes)) & 0xff));
    }
    out.bytes(content);
    return std::move(out).take();
}

Bytes element(Tag tag, ByteView content) {
    return element(static_cast<std::uint8_t>(tag), content);
}

Bytes sequence(const std::vector<Bytes>& members) {
    Writer content;
    for (const Bytes& member : members) content.bytes(member);
    return element(Tag::sequence, std::move(content).take());
}

Bytes set_of_one(ByteView member) { return element(Tag::set, member); }

Bytes constructed(std::uint8_t n, ByteView content) {
    return element(static_cast<std::uint8_t>(0xa0 | n), content);
}

Bytes primitive(std::uint8_t n, ByteView content) {
    return element(static_cast<std::uint8_t>(0x80 | n), content);
}

Bytes integer(std::uint64_t value) {
    std::array<std::uint8_t, 8> magnitude{};
    for (std::size_t i = magnitude.size(); i-- > 0; value >>= 8) {
        magnitude[i] = static_cast<std::uint8_t>(value & 0xff);
    }
    return integer(ByteView(magnitude));
}

Bytes integer(ByteView magnitude) {
    while (!magnitude.empty() && magnitude[0] == 0) magnitude = magnitude.subspan(1);
    Bytes content;
    if (magnitude.empty() || (magnitude[0] & 0x80) != 0) content.push_back(0);
    content.insert(content.end(), magnitude.begin(), magnitude.end());
    return element(Tag::integer, content);
}

Bytes enumerated(std::uint8_t value) { return element(Tag::enumerated, Bytes{value}); }

Bytes boolean(Bool value) { return element(Tag::boolean, Bytes{static_cast<std::uint8_t>(value)}); }

Bytes octet_string(ByteView content) { return element(Tag::octet_string, content); }

Bytes bit_string(ByteView content, std::uint8_t unused_bits) {
    const Bytes head{unused_bits};
    return element(Tag::bit_string, concat({head, content}));
}

Bytes text(Tag string_type, std::string_view value) {
    return element(string_type, as_bytes(value));
}

Bytes null() { return element(Tag::null, {}); }

Bytes oid(std::string_view dotted) {
    const std::uint64_t first = take_arc(dotted);
    Bytes content;
    put_base128(content, first * 40 + take_arc(dotted));
    while (!dotted.empty()) put_base128(content, take_arc(dotted));
    return element(Tag::oid, content);
}

Bytes time(Time t) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(t - day);
    const int year = static_cast<int>(date.year());
    const std::string rest =
        fmt::format("{:02}{:02}{:02}{:02}{:02}Z", static_cast<unsigned>(date.month()),
                    static_cast<unsigned>(date.day()), clock.hours().count(),
                    clock.minutes().count(), clock.seconds().count());
    if (year < 1950 || year > 2049) {
        return text(Tag::generalized_time, fmt::format("{:04}{}", year, rest));
    }
    return text(Tag::utc_time, fmt::format("{:02}{}", year % 100, rest));
}

}  // namespace attestd::forge::der
