// Durations: a whole number and a unit, nothing else.
#include "config/duration.h"

#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("duration: each unit is read as what it is", "[config][duration]") {
    struct Row {
        const char* text;
        std::int64_t millis;
    };
    const auto row = GENERATE(values<Row>({{"500ms", 500},
                                           {"30s", 30'000},
                                           {"10m", 600'000},
                                           {"2h", 7'200'000},
                                           {"1d", 86'400'000},
                                           {"0s", 0},
                                           {"1000000d", 86'400'000'000'000}}));
    INFO(row.text);
    const auto parsed = parse_duration(row.text);
    REQUIRE_OK(parsed);
    CHECK(parsed->count() == row.millis);
}

TEST_CASE("duration: anything else is refused", "[config][duration]") {
    const char* const text = GENERATE("", "10", "m", "-1s", "+1s", "1.5s", "10 m", " 10m", "10m ",
                                      "10M", "1000001s", "99999999999999999999s", "0x1s", "10min");
    INFO(text);
    REQUIRE_ERRC(Errc::bad_encoding, parse_duration(text));
}

TEST_CASE("duration: text of a duration reads back as the same duration", "[config][duration]") {
    const auto millis = GENERATE(0, 1, 999, 1000, 60'000, 90'000, 3'600'000, 86'400'000);
    CHECK(parse_duration(to_string(Millis(millis))).value() == Millis(millis));
}
