// Byte comparisons, in particular those whose views are empty or of different lengths.
#include "quote/base/bytes.h"

#include <array>

#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("bytes: comparison looks at the length and at every byte", "[base][bytes]") {
    const Bytes a{1, 2, 3}, same{1, 2, 3}, last{1, 2, 4}, first{0, 2, 3}, longer{1, 2, 3, 0};
    for (const auto compare : {&equal, &equal_constant_time}) {
        CHECK(compare(a, same));
        CHECK_FALSE(compare(a, last));
        CHECK_FALSE(compare(a, first));
        CHECK_FALSE(compare(a, longer));
        CHECK_FALSE(compare(longer, a));
        CHECK_FALSE(compare(a, {}));
        CHECK(compare({}, {}));
    }
}

TEST_CASE("bytes: all_zero holds for nothing and fails for one bit anywhere", "[base][bytes]") {
    CHECK(all_zero({}));
    Bytes bytes(64, 0);
    CHECK(all_zero(bytes));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        bytes[i] = 0x80;
        CHECK_FALSE(all_zero(bytes));
        bytes[i] = 0;
    }
}

TEST_CASE("bytes: text and bytes are views of the same memory", "[base][bytes]") {
    const std::string_view text("a\0\xff", 3);
    const ByteView bytes = as_bytes(text);
    REQUIRE(bytes.size() == 3);
    CHECK(bytes[1] == 0);
    CHECK(bytes[2] == 0xff);
    CHECK(as_text(bytes).data() == text.data());
}
