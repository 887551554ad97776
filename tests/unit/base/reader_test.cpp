// Reader: never past the end, and errors that name field and offset.
#include "quote/base/reader.h"

#include <array>

#include "tests/support/catch.h"

using namespace attestd;
using attestd::test::ContainsSubstring;

namespace {
constexpr std::array<std::uint8_t, 16> kCounting{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

TEST_CASE("Reader: numbers are read least significant byte first", "[base][reader]") {
    const std::array<std::uint8_t, 15> in{0xab, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 0xf0,
                                          0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12};
    Reader reader(in);
    CHECK(reader.u8("a").value() == 0xab);
    CHECK(reader.u16le("b").value() == 0x1234);
    CHECK(reader.u32le("c").value() == 0x12345678);
    CHECK(reader.u64le("d").value() == 0x123456789abcdef0);
    CHECK(reader.remaining() == 0);
    REQUIRE_OK(reader.finish("number"));
}
