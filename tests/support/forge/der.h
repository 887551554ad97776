// DER, written by hand: the few ASN.1 types that certificates of this field consist of.
//
// Written out rather than left to OpenSSL because tests need what OpenSSL will not write: a
// repeated extension, a wrong type in its place, an algorithm named differently inside and outside.
// OpenSSL reads the results in tests/unit/forge, so the two check each other.
#pragma once

#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/time.h"

namespace attestd::forge::der {

enum class Tag : std::uint8_t {
    boolean = 0x01,
    integer = 0x02,
    bit_string = 0x03,
    octet_string = 0x04,
    null = 0x05,
    oid = 0x06,
    enumerated = 0x0a,
    utf8_string = 0x0c,
    sequence = 0x30,
    set = 0x31,
    printable_string = 0x13,
    ia5_string = 0x16,
    utc_time = 0x17,
    generalized_time = 0x18,
};

/// One element: tag, length in its shortest form, content.
[[nodiscard]] Bytes element(Tag tag, ByteView content);
[[nodiscard]] Bytes element(std::uint8_t tag, ByteView content);

[[nodiscard]] Bytes sequence(const std::vector<Bytes>& members);
[[nodiscard]] Bytes set_of_one(ByteView member);
/// [n] around `content`: EXPLICIT, or IMPLICIT of a constructed type.
[[nodiscard]] Bytes constructed(std::uint8_t n, ByteView content);
/// [n] IMPLICIT of a primitive type.
[[nodiscard]] Bytes primitive(std::uint8_t n, ByteView content);

[[nodiscard]] Bytes integer(std::uint64_t value);
/// A non-negative INTEGER given by its magnitude, big-endian; leading zeros do not matter.
[[nodiscard]] Bytes integer(ByteView magnitude);
[[nodiscard]] Bytes enumerated(std::uint8_t value);
enum class Bool : std::uint8_t { no = 0x00, yes = 0xff };
[[nodiscard]] Bytes boolean(Bool value);
[[nodiscard]] Bytes octet_string(ByteView content);
[[nodiscard]] Bytes bit_string(ByteView content, std::uint8_t unused_bits = 0);
[[nodiscard]] Bytes text(Tag string_type, std::string_view value);
[[nodiscard]] Bytes null();
/// "1.2.840.10045.4.3.2" as an OBJECT IDENTIFIER. The text must be well-formed.
[[nodiscard]] Bytes oid(std::string_view dotted);
/// As RFC 5280 section 4.1.2.5 wants it: UTCTime to the end of 2049, GeneralizedTime from then on.
[[nodiscard]] Bytes time(Time t);

}  // namespace attestd::forge::der
