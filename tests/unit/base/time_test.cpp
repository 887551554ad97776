// RFC 3339 times: one instant, one form, and the end of the calendar on both sides.
#include "quote/base/time.h"

#include <string>

#include "tests/support/catch.h"

using namespace attestd;
using std::chrono::seconds;

namespace {

constexpr Time at(std::int64_t unix_seconds) { return Time(seconds(unix_seconds)); }

struct Good {
    const char* text;
    std::int64_t unix_seconds;
};

const Good kGood[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-11-22T07:54:00Z", 1795334040},
    {"2026-11-22t07:54:00z", 1795334040},
    {"2026-11-22T08:54:00+01:00", 1795334040},
    {"2026-11-22T02:24:00-05:30", 1795334040},
    {"2026-11-22T07:54:00+00:00", 1795334040},
    {"2026-11-22T07:54:00.000Z", 1795334040},
    {"2000-02-29T00:00:00Z", 951782400},
    {"1969-12-31T23:59:59Z", -1},
    {"0001-01-01T00:00:00Z", -62135596800},
    {"9999-12-31T23:59:59Z", 253402300799},
};

const char* const kBad[] = {
    "",
    "2026-11-22",
    "2026-11-22T07:54Z",
    "2026-11-22T07:54:00",
    "2026-11-22 07:54:00Z",
    "2026-11-22T07:54:00ZZ",
    "2026-11-22T07:54:00 Z",
    " 2026-11-22T07:54:00Z",
    "2026-11-22T07:54:00Z\n",
    "2026-11-22T07:54:00.Z",
    "2026-11-22T07:54:00.5Z",
    "2026-11-22T07:54:00.000",
    "2026-11-22T07:54:00.0001Z",
    "2026-11-22T07:54:00+1:00",
    "2026-11-22T07:54:00+0100",
    "2026-11-22T07:54:00+01",
    "2026-11-22T07:54:00+24:00",
    "2026-11-22T07:54:00+01:60",
    "2026-11-22T07:54:00+01:00Z",
    "2026-00-22T07:54:00Z",
    "2026-13-22T07:54:00Z",
    "2026-11-00T07:54:00Z",
    "2026-11-31T07:54:00Z",
    "2026-02-29T07:54:00Z",
    "1900-02-29T07:54:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T07:60:00Z",
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "+2026-11-22T07:54:00Z",
    "-026-11-22T07:54:00Z",
    "2026/11/22T07:54:00Z",
    "2026-11-22T07.54.00Z",
    "20a6-11-22T07:54:00Z",
    "1795334040",
    // An offset must not lead out of the years that this type writes.
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
};

}  // namespace

TEST_CASE("time: RFC 3339 is read to the second, with Z or an offset", "[base][time]") {
    for (const Good& row : kGood) {
        INFO(row.text);
        const auto parsed = parse_rfc3339(row.text, "x");
        REQUIRE_OK(parsed);
        CHECK(*parsed == at(row.unix_seconds));
    }
}

TEST_CASE("time: what is not exactly RFC 3339 is refused", "[base][time]") {
    for (const char* text : kBad) {
        INFO(text);
        REQUIRE_ERRC(Errc::bad_encoding, parse_rfc3339(text, "x"));
    }
}

TEST_CASE("time: what is written is read back as the same instant", "[base][time]") {
    for (const std::int64_t t :
         {0LL, -1LL, 1795334040LL, 951782400LL, -62135596800LL, 253402300799LL}) {
        const std::string text = to_rfc3339(at(t));
        CHECK(parse_rfc3339(text, "x").value() == at(t));
    }
    CHECK(to_rfc3339(at(1795334040)) == "2026-11-22T07:54:00Z");
    CHECK(to_rfc3339(at(-62135596800)) == "0001-01-01T00:00:00Z");
}

TEST_CASE("time: make_time refuses numbers that wrap around into the calendar", "[base][time]") {
    REQUIRE_OK(make_time(2026, 1, 1, 0, 0, 0, "x"));
    REQUIRE_ERRC(Errc::bad_encoding, make_time(2026, 256 + 1, 1, 0, 0, 0, "x"));
    REQUIRE_ERRC(Errc::bad_encoding, make_time(2026, 1, 256 + 1, 0, 0, 0, "x"));
    REQUIRE_ERRC(Errc::bad_encoding, make_time(65536 + 2026, 1, 1, 0, 0, 0, "x"));
    REQUIRE_ERRC(Errc::bad_encoding, make_time(-1, 1, 1, 0, 0, 0, "x"));
    REQUIRE_ERRC(Errc::bad_encoding, make_time(2026, 1, 1, 24, 0, 0, "x"));
    REQUIRE_ERRC(Errc::bad_encoding, make_time(2026, 1, 1, 0, 60, 0, "x"));
    REQUIRE_ERRC(Errc::bad_encoding, make_time(2026, 1, 1, 0, 0, 60, "x"));
}

TEST_CASE("time: both ends belong to a window, and an intersection can be empty", "[base][time]") {
    const Window window{at(10), at(20)};
    CHECK(window.contains(at(10)));
    CHECK(window.contains(at(20)));
    CHECK_FALSE(window.contains(at(9)));
    CHECK_FALSE(window.contains(at(21)));
    CHECK(Window{}.contains(at(0)));

    const Window both = window.intersect({at(15), at(30)});
    CHECK((both.from == at(15) && both.until == at(20)));
    const Window none = window.intersect({at(21), at(30)});
    for (const std::int64_t t : {10, 20, 21, 30}) CHECK_FALSE(none.contains(at(t)));
}
