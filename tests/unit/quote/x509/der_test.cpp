// DerReader: one encoding for each value. Every row is a mutation of something sound.
#include "quote/x509/der.h"

#include "quote/base/encoding.h"
#include "tests/support/catch.h"

namespace attestd {
namespace {

Bytes hex(std::string_view text) { return from_hex(text, "row").value(); }

using Read = Result<void> (*)(DerReader&);

template <class T>
Result<void> all_of(Result<T> got, const DerReader& in) {
    if (!got) return tl::make_unexpected(got.error());
    return in.finish("f");
}
const Read kAny = [](DerReader& in) { return all_of(in.any("f"), in); };
const Read kOid = [](DerReader& in) { return all_of(in.oid("f"), in); };
const Read kUnsigned = [](DerReader& in) { return all_of(in.unsigned_integer("f"), in); };
const Read kByte = [](DerReader& in) { return all_of(in.small_integer(255, "f"), in); };
const Read kWord = [](DerReader& in) { return all_of(in.small_integer(UINT32_MAX, "f"), in); };
const Read kBool = [](DerReader& in) { return all_of(in.boolean("f"), in); };
const Read kOctets = [](DerReader& in) { return all_of(in.octet_string("f"), in); };
const Read kBits = [](DerReader& in) { return all_of(in.bit_string("f"), in); };
const Read kSequence = [](DerReader& in) { return all_of(in.sequence("f"), in); };

TEST_CASE("DER: a value that is not in its one encoding is refused", "[quote][der]") {
    struct Row {
        const char* name;
        Read read;
        const char* bytes;
        Errc want;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing at all", kAny, "", Errc::truncated},
        {"a tag alone", kAny, "04", Errc::truncated},
        {"content shorter than its length", kAny, "0403aabb", Errc::truncated},
        {"a byte after the element", kAny, "0401aabb", Errc::bad_der},
        {"a tag of two bytes", kAny, "1f8100", Errc::bad_der},
        {"indefinite length", kAny, "30800000", Errc::bad_der},
        {"length in long form below 128", kAny, "04810100", Errc::bad_der},
        {"length with a leading zero byte", kAny, "0482008000", Errc::bad_der},
        {"length of four bytes", kAny, "048400000001aa", Errc::bad_der},
        {"length bytes cut off", kAny, "0482ff", Errc::truncated},
        {"length of 16 MiB less one without content", kAny, "0483ffffff", Errc::truncated},
        {"another tag", kSequence, "3100", Errc::bad_der},
        {"SEQUENCE without the constructed bit", kSequence, "1000", Errc::bad_der},
        {"the end where an element must stand", kSequence, "", Errc::bad_der},
        {"empty INTEGER", kUnsigned, "0200", Errc::bad_der},
        {"negative INTEGER", kUnsigned, "020180", Errc::bad_der},
        {"INTEGER with a needless zero", kUnsigned, "0202007f", Errc::bad_der},
        {"INTEGER of two zero bytes", kUnsigned, "02020000", Errc::bad_der},
        {"INTEGER with two leading zeros", kUnsigned, "0203000080", Errc::bad_der},
        {"256 for a byte", kByte, "02020100", Errc::bad_der},
        {"2^32 for a word", kWord, "02050100000000", Errc::bad_der},
        {"2^64 + 1 for a byte", kByte, "0209010000000000000001", Errc::bad_der},
        {"negative number for a byte", kByte, "0201ff", Errc::bad_der},
        {"OBJECT IDENTIFIER whose last arc does not end", kOid, "06032a0384", Errc::bad_der},
        {"OBJECT IDENTIFIER with a padded arc", kOid, "06042a038004", Errc::bad_der},
        {"OBJECT IDENTIFIER that begins with padding", kOid, "0603802a03", Errc::bad_der},
        {"ENUMERATED for an INTEGER", kByte, "0a0101", Errc::bad_der},
        {"BOOLEAN 01", kBool, "010101", Errc::bad_der},
        {"BOOLEAN of two bytes", kBool, "0102ffff", Errc::bad_der},
        {"empty BOOLEAN", kBool, "0100", Errc::bad_der},
        {"OCTET STRING in constructed form", kOctets, "24030401aa", Errc::bad_der},
        {"empty BIT STRING", kBits, "0300", Errc::bad_der},
        {"BIT STRING with unused bits", kBits, "030201fe", Errc::bad_der},
        {"empty OBJECT IDENTIFIER", kOid, "0600", Errc::bad_der},
    }));
    INFO(row.name);
    const Bytes bytes = hex(row.bytes);
    DerReader in(bytes);
    REQUIRE_ERRC(row.want, row.read(in));
}

TEST_CASE("DER: the shortest encodings are read", "[quote][der]") {
    const Bytes zero = hex("020100"), big = hex("02020080"), word = hex("020500ffffffff");
    CHECK(to_hex(DerReader(zero).unsigned_integer("f").value()) == "00");
    CHECK(to_hex(DerReader(big).unsigned_integer("f").value()) == "80");
    CHECK(DerReader(big).small_integer(128, "f").value() == 128);
    CHECK(DerReader(word).small_integer(UINT32_MAX, "f").value() == UINT32_MAX);
    CHECK(DerReader(hex("0101ff")).boolean("f").value());
    CHECK_FALSE(DerReader(hex("010100")).boolean("f").value());
    const Bytes bits = hex("030200a5"), oid = hex("06032a0304"), empty = hex("0400");
    CHECK(to_hex(DerReader(bits).bit_string("f").value()) == "a5");
    CHECK(to_hex(DerReader(oid).oid("f").value()) == "2a0304");
    CHECK(DerReader(empty).octet_string("f").value().empty());
}

TEST_CASE("DER: lengths at each boundary of their form are read whole", "[quote][der]") {
    const std::size_t len = GENERATE(0U, 127U, 128U, 255U, 256U, 65535U, 65536U);
    Bytes bytes{0x04};
    if (len < 0x80)
        bytes.push_back(static_cast<std::uint8_t>(len));
    else {
        const std::size_t num = len > 0xffff ? 3 : len > 0xff ? 2 : 1;
        bytes.push_back(static_cast<std::uint8_t>(0x80 | num));
        for (std::size_t i = num; i-- > 0;)
            bytes.push_back(static_cast<std::uint8_t>(len >> (8 * i)));
    }
    const std::size_t header = bytes.size();
    bytes.resize(header + len + 1, 0xaa);
    DerReader in(bytes);
    const auto element = in.any("f");
    REQUIRE_OK(element);
    CHECK(element->content.size() == len);
    CHECK(element->whole.size() == header + len);
    CHECK(in.rest().size() == 1);
}

TEST_CASE("DER: times are read to the second", "[quote][der]") {
    struct Row {
        std::uint8_t tag;
        const char* text;
        const char* want;
    };
    const Row row = GENERATE(values<Row>({
        {der::kUtcTime, "000229000000Z", "2000-02-29T00:00:00Z"},
        {der::kUtcTime, "491231235959Z", "2049-12-31T23:59:59Z"},
        {der::kUtcTime, "500101000000Z", "1950-01-01T00:00:00Z"},
        {der::kGeneralizedTime, "20500101000000Z", "2050-01-01T00:00:00Z"},
        {der::kGeneralizedTime, "99991231235959Z", "9999-12-31T23:59:59Z"},
    }));
    Bytes bytes{row.tag, static_cast<std::uint8_t>(std::string_view(row.text).size())};
    for (const char c : std::string_view(row.text)) bytes.push_back(static_cast<std::uint8_t>(c));
    const auto time = DerReader(bytes).time("t");
    REQUIRE_OK(time);
    CHECK(to_rfc3339(*time) == row.want);
}

TEST_CASE("DER: other forms of times are refused", "[quote][der]") {
    struct Row {
        const char* name;
        std::uint8_t tag;
        const char* text;
    };
    const Row row = GENERATE(values<Row>({
        {"without seconds", der::kUtcTime, "2601010000Z"},
        {"with an offset", der::kUtcTime, "260101000000+0000"},
        {"without Z", der::kUtcTime, "260101000000"},
        {"local letter", der::kUtcTime, "260101000000z"},
        {"blank for a digit", der::kUtcTime, " 60101000000Z"},
        {"sign for a digit", der::kUtcTime, "-60101000000Z"},
        {"month 13", der::kUtcTime, "261301000000Z"},
        {"day 0", der::kUtcTime, "260100000000Z"},
        {"29 February of a common year", der::kUtcTime, "260229000000Z"},
        {"hour 24", der::kUtcTime, "260101240000Z"},
        {"second 60", der::kUtcTime, "260101000060Z"},
        {"fraction", der::kGeneralizedTime, "20510101000000.5Z"},
        {"a year that UTCTime writes", der::kGeneralizedTime, "20490101000000Z"},
        {"year of two digits", der::kGeneralizedTime, "510101000000Z"},
        {"another type", der::kOctetString, "260101000000Z"},
    }));
    INFO(row.name);
    Bytes bytes{row.tag, static_cast<std::uint8_t>(std::string_view(row.text).size())};
    for (const char c : std::string_view(row.text)) bytes.push_back(static_cast<std::uint8_t>(c));
    REQUIRE_ERRC(Errc::bad_der, DerReader(bytes).time("t"));
}

TEST_CASE("DER: an error inside nested elements names the offset within the whole",
          "[quote][der]") {
    const Bytes bytes =
        hex("30063004020201"
            "00");  // SEQUENCE { SEQUENCE { INTEGER 256 } }
    DerReader in(bytes, 100);
    DerReader outer = in.sequence("outer").value();
    DerReader inner = outer.sequence("inner").value();
    const auto number = inner.small_integer(255, "number");
    REQUIRE_ERRC(Errc::bad_der, number);
    CHECK(number.error().detail.find("number at byte 108") == 0);
}

}  // namespace
}  // namespace attestd
