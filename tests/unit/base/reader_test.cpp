// Reader: never past the end, and errors that name field and offset.
#include "quote/base/reader.h"

#include <array>

#include "tests/support/catch.h"

using namespace attestd;
using attestd::test::ContainsSubstring;

namespace {

constexpr std::array<std::uint8_t, 16> kCounting{0, 1, 2,  3,  4,  5,  6,  7,
                                                 8, 9, 10, 11, 12, 13, 14, 15};

}  // namespace

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

TEST_CASE("Reader: every width is refused as truncated when one byte is missing",
          "[base][reader]") {
    const ByteView in(kCounting);
    CHECK(Reader(in.first(0)).u8("f").error().code == Errc::truncated);
    CHECK(Reader(in.first(1)).u16le("f").error().code == Errc::truncated);
    CHECK(Reader(in.first(3)).u32le("f").error().code == Errc::truncated);
    CHECK(Reader(in.first(7)).u64le("f").error().code == Errc::truncated);
    CHECK(Reader(in.first(15)).array<16>("f").error().code == Errc::truncated);
    CHECK(Reader(in.first(15)).bytes(16, "f").error().code == Errc::truncated);
    CHECK(Reader(in.first(15)).sub(16, "f").error().code == Errc::truncated);
    CHECK(Reader(in.first(15)).zeros(16, "f").error().code == Errc::truncated);
}

TEST_CASE("Reader: a length near the top of size_t does not wrap around", "[base][reader]") {
    Reader reader(kCounting);
    REQUIRE_OK(reader.u8("first"));
    for (const std::size_t len : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15, SIZE_MAX / 2 + 1}) {
        REQUIRE_ERRC(Errc::truncated, reader.bytes(len, "body"));
        REQUIRE_ERRC(Errc::truncated, reader.sub(len, "body"));
        REQUIRE_ERRC(Errc::truncated, reader.zeros(len, "body"));
    }
    CHECK(reader.offset() == 1);
}

TEST_CASE("Reader: a refused read consumes nothing", "[base][reader]") {
    Reader reader(kCounting);
    REQUIRE_OK(reader.bytes(10, "head"));
    REQUIRE_ERRC(Errc::truncated, reader.u64le("tail"));
    CHECK(reader.offset() == 10);
    CHECK(reader.u8("next").value() == 10);
}

TEST_CASE("Reader: an error names the field, its offset and how much is left", "[base][reader]") {
    Reader reader(kCounting);
    REQUIRE_OK(reader.bytes(13, "head"));
    const auto result = reader.u32le("header.version");
    REQUIRE_ERRC(Errc::truncated, result);
    CHECK(result.error().detail == "header.version at byte 13: needs 4 bytes, 3 are left");
}

TEST_CASE("Reader: offsets in errors count from the whole input, also within parts",
          "[base][reader]") {
    Reader whole(kCounting);
    REQUIRE_OK(whole.bytes(4, "head"));
    Result<Reader> part = whole.sub(8, "part");
    REQUIRE_OK(part);
    CHECK(part->offset() == 4);
    REQUIRE_OK(part->bytes(3, "x"));
    Result<Reader> inner = part->sub(4, "inner");
    REQUIRE_OK(inner);
    CHECK(inner->offset() == 7);
    const auto result = inner->u64le("inner.value");
    REQUIRE_ERRC(Errc::truncated, result);
    CHECK_THAT(result.error().detail, ContainsSubstring("inner.value at byte 7:"));
    CHECK(whole.offset() == 12);
}

TEST_CASE("Reader: a part cannot see what follows it", "[base][reader]") {
    Reader whole(kCounting);
    Result<Reader> part = whole.sub(2, "part");
    REQUIRE_OK(part);
    CHECK(part->remaining() == 2);
    REQUIRE_ERRC(Errc::truncated, part->u32le("too much"));
    CHECK(whole.u16le("after").value() == 0x0302);
}

TEST_CASE("Reader: a reserved byte that is not zero is named by its own offset", "[base][reader]") {
    const std::array<std::uint8_t, 8> in{1, 0, 0, 0, 0, 0x7f, 0, 0};
    Reader reader(in);
    REQUIRE_OK(reader.u8("one"));
    const auto result = reader.zeros(7, "reserved");
    REQUIRE_ERRC(Errc::reserved_not_zero, result);
    CHECK(result.error().detail == "reserved at byte 5: must be zero, is 0x7f");

    Reader good(ByteView(in).subspan(1, 4));
    REQUIRE_OK(good.zeros(4, "reserved"));
    REQUIRE_OK(good.zeros(0, "nothing"));
}

TEST_CASE("Reader: finish refuses trailing bytes and says how many", "[base][reader]") {
    Reader reader(kCounting);
    REQUIRE_OK(reader.bytes(14, "all"));
    const auto result = reader.finish("report");
    REQUIRE_ERRC(Errc::trailing_bytes, result);
    CHECK(result.error().detail == "report at byte 14: 2 bytes follow where it must end");
}

TEST_CASE("Reader: a range that it hands out is the input itself", "[base][reader]") {
    Reader reader(kCounting);
    REQUIRE_OK(reader.bytes(3, "head"));
    const ByteView view = reader.bytes(4, "body").value();
    CHECK(view.data() == kCounting.data() + 3);
    CHECK(view.size() == 4);
    CHECK(reader.rest().data() == kCounting.data() + 7);
    CHECK(reader.rest().size() == 9);
}
