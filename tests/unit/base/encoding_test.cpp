// Hexadecimal and base64: the canonical text and no other.
#include "quote/base/encoding.h"

#include <string>

#include "tests/support/catch.h"

using namespace attestd;

namespace {

struct Bad {
    const char* why;
    std::string text;
};

const Bad kBadHex[] = {
    {"odd number of digits", "abc"},
    {"prefix", "0xab"},
    {"blank inside", "ab cd "},
    {"blank before", " abc"},
    {"newline after", "abcd\n1"},
    {"letter after f", "ag"},
    {"sign", "-1"},
    {"colon between", "ab:c"},
    {"NUL inside", std::string("a\0", 2)},
    {"character above ASCII", "a\xe9"},
};

const Bad kBadBase64[] = {
    {"no padding", "Zg"},
    {"one padding character short", "Zg="},
    {"padding alone", "===="},
    {"three padding characters", "Z==="},
    {"padding in the middle", "Zg==Zg=="},
    {"padding before the last digit", "Z=g="},
    {"unused bits set, two padding characters", "Zh=="},
    {"unused bits set, one padding character", "Zm9="},
    {"blank before", " Zm9v"},
    {"blanks to a multiple of four", "Zm9v    "},
    {"newline to a multiple of four", "Zm9v\n\n\n\n"},
    {"line break inside", "Zm9v\nZm9v\n\n\n"},
    {"URL alphabet minus", "-m9v"},
    {"URL alphabet underscore", "_m9v"},
    {"NUL", std::string("Zm9\0", 4)},
    {"character above ASCII", "Zm9\xff"},
    {"padding then digits", "==Zm"},
};

}  // namespace

TEST_CASE("hex: what is not pairs of hexadecimal digits is refused", "[base][encoding]") {
    for (const Bad& row : kBadHex) {
        INFO(row.why);
        REQUIRE_ERRC(Errc::bad_encoding, from_hex(row.text, "field"));
    }
}

TEST_CASE("hex: both cases are read, lower case is written", "[base][encoding]") {
    CHECK(from_hex("00fFAb", "x").value() == Bytes{0x00, 0xff, 0xab});
    CHECK(from_hex("", "x").value().empty());
    CHECK(to_hex(Bytes{0x00, 0xff, 0xab}) == "00ffab");
    CHECK(to_hex({}).empty());
}

TEST_CASE("hex: a fixed-size field takes exactly its length", "[base][encoding]") {
    CHECK(array_from_hex<2>("abCD", "x").value() == ByteArray<2>{0xab, 0xcd});
    const auto result = array_from_hex<2>("abcdef", "mrtd");
    REQUIRE_ERRC(Errc::bad_encoding, result);
    CHECK(result.error().detail == "mrtd: 4 hexadecimal digits are needed, 6 given");
    REQUIRE_ERRC(Errc::bad_encoding, array_from_hex<2>("ab", "mrtd"));
    REQUIRE_ERRC(Errc::bad_encoding, array_from_hex<2>("abcx", "mrtd"));
}

TEST_CASE("hex: an error says which character is wrong", "[base][encoding]") {
    CHECK(from_hex("ab0g", "field").error().detail == "field: no hexadecimal digit at character 3");
    CHECK(from_hex("abg0", "field").error().detail == "field: no hexadecimal digit at character 2");
}

TEST_CASE("base64: RFC 4648 section 10's examples in both directions", "[base][encoding]") {
    const std::pair<const char*, const char*> rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [plain, encoded] : rows) {
        INFO(plain);
        CHECK(to_base64(as_bytes(plain)) == encoded);
        CHECK(as_text(from_base64(encoded, "x").value()) == plain);
    }
}

TEST_CASE("base64: what is not canonical is refused", "[base][encoding]") {
    for (const Bad& row : kBadBase64) {
        INFO(row.why);
        REQUIRE_ERRC(Errc::bad_encoding, from_base64(row.text, "field"));
    }
}

TEST_CASE("base64: into memory that the caller gives, and not beyond it", "[base][encoding]") {
    ByteArray<6> out{};
    CHECK(base64_into(out, "Zm9vYg==", "x").value() == 4);
    CHECK(as_text(ByteView(out).first(4)) == "foob");
    CHECK(base64_into(out, "", "x").value() == 0);
    REQUIRE_ERRC(Errc::bad_length, base64_into(out, "Zm9vYmFyZm9v", "x"));
    for (const Bad& row : kBadBase64) {
        INFO(row.why);
        Bytes room(64);
        REQUIRE_ERRC(Errc::bad_encoding, base64_into(room, row.text, "field"));
    }
}

TEST_CASE("base64 and hex: every byte value and length goes there and back", "[base][encoding]") {
    Bytes bytes;
    for (int i = 0; i < 512; ++i) {
        CHECK(from_base64(to_base64(bytes), "x").value() == bytes);
        CHECK(from_hex(to_hex(bytes), "x").value() == bytes);
        bytes.push_back(static_cast<std::uint8_t>(i * 7));
    }
}

TEST_CASE("base64: only 4 of the 64 digits may end a one-byte group", "[base][encoding]") {
    int read = 0;
    for (const char c :
         std::string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")) {
        read += from_base64(std::string("A") + c + "==", "x") ? 1 : 0;
    }
    CHECK(read == 4);  // 64 digits, of which 4 have their low four bits zero
}
