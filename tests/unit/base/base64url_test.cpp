// Base64url in its two forms: one text for each value, and no other.
#include "quote/base/base64url.h"

#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("base64url: both forms, of every length modulo three", "[base][encoding]") {
    struct Row {
        Bytes bytes;
        const char *bare, *padded;
    };
    const auto row = GENERATE(values<Row>({{{}, "", ""},
                                           {{0xfb}, "-w", "-w=="},
                                           {{0xff, 0xef}, "_-8", "_-8="},
                                           {{0x01, 0x00, 0x01}, "AQAB", "AQAB"}}));
    INFO(row.bare);
    CHECK(to_base64url(row.bytes) == row.bare);
    CHECK(to_base64url(row.bytes, Base64Padding::full) == row.padded);
    CHECK(from_base64url(row.bare, "text").value() == row.bytes);
    CHECK(from_base64url(row.padded, "text", Base64Padding::full).value() == row.bytes);
}

TEST_CASE("base64url: what is not canonical is refused", "[base][encoding]") {
    const auto text = GENERATE(as<std::string>{}, "A", "AQABA", "+w", "/w", "-w=", "-w==", "-x",
                               "A Q", "AQ\n", "AQAB=", "A\xc3\xa9");
    INFO(text);
    REQUIRE_ERRC(Errc::bad_encoding, from_base64url(text, "text"));
}

TEST_CASE("base64url: with padding, exactly the padding that belongs there", "[base][encoding]") {
    const auto text =
        GENERATE(as<std::string>{}, "-w", "-w=", "-w===", "-x==", "+w==", "AQAB=", "====", "A===");
    INFO(text);
    REQUIRE_ERRC(Errc::bad_encoding, from_base64url(text, "text", Base64Padding::full));
}
