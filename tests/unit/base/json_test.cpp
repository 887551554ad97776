// JSON from outside: what is refused, and whether the complaint tells a person where to look.
#include "quote/base/json.h"

#include <algorithm>
#include <string>

#include "tests/support/catch.h"

using namespace attestd;
using attestd::test::ContainsSubstring;

namespace {

Result<JsonDocument> parse(std::string_view text, JsonComments comments = JsonComments::refused) {
    return JsonDocument::parse(text, "f.json", {}, comments);
}

struct Bad {
    const char* why;
    std::string text;
};

const Bad kNotJson[] = {
    {"nothing", ""},
    {"a blank", " "},
    {"two values", "1 2"},
    {"text after the end", "{} x"},
    {"open object", "{\"a\":1"},
    {"comma at the end of an object", "{\"a\":1,}"},
    {"comma at the end of an array", "[1,]"},
    {"single quotes", "{'a':1}"},
    {"key without quotes", "{a:1}"},
    {"number with a leading zero", "[01]"},
    {"plus sign", "[+1]"},
    {"hexadecimal number", "[0x10]"},
    {"NaN", "[NaN]"},
    {"number beyond a double", "[1e400]"},
    {"a control character in text", "[\"a\nb\"]"},
    {"a lone surrogate", "[\"\\ud800\"]"},
    {"an invalid UTF-8 byte", "[\"\xff\"]"},
    {"an overlong UTF-8 sequence", "[\"\xc0\xaf\"]"},
    {"a NUL byte after the end", std::string("{}\0", 3)},
    {"text hidden behind a NUL byte", std::string("{\"a\":1}\0{\"a\":2}", 15)},
    {"a comment", "{} // why"},
    {"a block comment", "/* why */ {}"},
};

}  // namespace

TEST_CASE("json: what is not exactly one JSON value is refused", "[base][json]") {
    for (const Bad& row : kNotJson) {
        INFO(row.why);
        REQUIRE_ERRC(Errc::bad_json, parse(row.text));
    }
}

TEST_CASE("json: comments are read only where the caller allows them", "[base][json]") {
    const std::string text = "// head\n{ /* x */ \"a\": 1 // tail\n}";
    REQUIRE_OK(parse(text, JsonComments::allowed));
    REQUIRE_ERRC(Errc::bad_json, parse(text));
    REQUIRE_ERRC(Errc::bad_json, parse("{} /* open", JsonComments::allowed));
    REQUIRE_ERRC(Errc::bad_json, parse("# shell\n{}", JsonComments::allowed));
}

TEST_CASE("json: a key that stands twice is refused at its second place", "[base][json]") {
    const auto result = parse("{\n  \"a\": 1,\n  \"b\": 2,\n  \"a\": 3\n}");
    REQUIRE_ERRC(Errc::duplicate_key, result);
    CHECK(result.error().detail == "f.json:4: the key \"a\" stands here a second time");
    REQUIRE_ERRC(Errc::duplicate_key, parse(R"({"x": [{"k": 1, "\u006b": 1}]})"));  // escaped alike
    REQUIRE_OK(parse(R"({"x": {"k": 1}, "y": {"k": 1}})"));
}

TEST_CASE("json: depth is bounded before the text is read to its end", "[base][json]") {
    const auto nested = [](int n) { return std::string(static_cast<std::size_t>(n), '['); };
    const auto closed = [](int n) { return std::string(static_cast<std::size_t>(n), ']'); };
    REQUIRE_OK(JsonDocument::parse(nested(32) + closed(32), "f", {}));
    REQUIRE_ERRC(Errc::bad_json, JsonDocument::parse(nested(33) + closed(33), "f", {}));
    const auto huge = JsonDocument::parse(nested(900000), "f", {});
    REQUIRE_ERRC(Errc::bad_json, huge);
    CHECK_THAT(huge.error().detail, ContainsSubstring("nested more than 32 deep"));
    REQUIRE_OK(JsonDocument::parse("{\"a\":[1]}", "f", {.max_len = 100, .max_depth = 2}));
    REQUIRE_ERRC(Errc::bad_json,
                 JsonDocument::parse("{\"a\":[[]]}", "f", {.max_len = 100, .max_depth = 2}));
}

TEST_CASE("json: size is bounded, to the byte", "[base][json]") {
    REQUIRE_OK(JsonDocument::parse("[1234]", "f", {.max_len = 6, .max_depth = 4}));
    REQUIRE_ERRC(Errc::too_large,
                 JsonDocument::parse("[12345]", "f", {.max_len = 6, .max_depth = 4}));
}

TEST_CASE("json: a syntax error names the line on which it stands", "[base][json]") {
    const auto second = parse("{\n  \"a\": tru,\n  \"b\": 1\n}");
    REQUIRE_ERRC(Errc::bad_json, second);
    CHECK_THAT(second.error().detail, ContainsSubstring("f.json:2: "));
    const auto open_text = parse("{\n  \"a\": \"never closed,\n  \"b\": 1\n}");
    REQUIRE_ERRC(Errc::bad_json, open_text);
    CHECK_THAT(open_text.error().detail, ContainsSubstring("f.json:2: "));
}

TEST_CASE("json: complaints about members name file, line and path", "[base][json]") {
    const auto document =
        parse("{\n\n  \"secrets\": {\n    \"db/password\": {\n      \"allow\": 7\n    }\n  }\n}");
    REQUIRE_OK(document);
    JsonObject top = document->root().object().value();
    JsonObject secrets = top.required("secrets")->object().value();
    JsonObject secret = secrets.required("db/password")->object().value();
    const JsonValue allow = secret.required("allow").value();
    CHECK(allow.path() == "secrets.db/password.allow");
    CHECK(allow.where() == "f.json:5: secrets.db/password.allow");
    const auto result = allow.text();
    REQUIRE_ERRC(Errc::wrong_type, result);
    CHECK(result.error().detail ==
          "f.json:5: secrets.db/password.allow: text is expected, this is an integer");
}

TEST_CASE("json: elements of an array are counted in the path, members in them have their own line",
          "[base][json]") {
    const auto document = parse("{\"list\": [\n {\"a\": 1},\n {\"a\": 2},\n {\"a\": \"x\"}\n]}");
    REQUIRE_OK(document);
    JsonObject top = document->root().object().value();
    const auto list = top.required("list")->array(10);
    REQUIRE_OK(list);
    REQUIRE(list->size() == 3);
    JsonObject last = (*list)[2].object().value();
    CHECK(last.required("a")->where() == "f.json:4: list[2].a");
    REQUIRE_ERRC(Errc::too_large, top.required("list")->array(2));
}

TEST_CASE("json: a missing key and an unknown key say what was expected", "[base][json]") {
    const auto document = parse("{\n \"type\": \"auto\",\n \"tpye\": 1\n}");
    REQUIRE_OK(document);
    JsonObject top = document->root().object().value();
    REQUIRE_OK(top.required("type"));
    CHECK_FALSE(top.optional("path").has_value());
    const auto missing = top.required("url");
    REQUIRE_ERRC(Errc::missing_key, missing);
    CHECK(missing.error().detail == "f.json: the key \"url\" is missing");
    const auto unknown = top.finish();
    REQUIRE_ERRC(Errc::unknown_key, unknown);
    CHECK(unknown.error().detail ==
          "f.json:3: tpye: this key is not known here; known are: type, path, url");
}

TEST_CASE("json: rest hands out what was not taken, once", "[base][json]") {
    const auto document = parse(R"({"a": 1, "b": 2, "c": 3})");
    JsonObject top = document->root().object().value();
    REQUIRE_OK(top.required("b"));
    const auto rest = top.rest();
    REQUIRE(rest.size() == 2);
    CHECK((rest[0].first == "a" && rest[1].first == "c"));
    CHECK(rest[1].second.integer(0, 9).value() == 3);
    CHECK(top.rest().empty());
    REQUIRE_OK(top.finish());
}

TEST_CASE("json: each accessor refuses every other type", "[base][json]") {
    const auto document = parse(R"([{}, [], "t", true, 1, 1.5, null])");
    const auto values = document->root().array(10).value();
    for (std::size_t i = 0; i < values.size(); ++i) {
        INFO(i);
        CHECK(values[i].object().has_value() == (i == 0));
        CHECK(values[i].array(1).has_value() == (i == 1));
        CHECK(values[i].text().has_value() == (i == 2));
        CHECK(values[i].boolean().has_value() == (i == 3));
        CHECK(values[i].integer(0, 9).has_value() == (i == 4));
        CHECK(values[i].is_object() == (i == 0));
        CHECK(values[i].is_array() == (i == 1));
        CHECK(values[i].is_text() == (i == 2));
        CHECK(values[i].is_null() == (i == 6));
    }
    REQUIRE_ERRC(Errc::wrong_type, values[5].integer(0, 9));
    REQUIRE_ERRC(Errc::wrong_type, values[4].text());
}

TEST_CASE("json: integers are bounded, without wrapping around", "[base][json]") {
    struct Row {
        const char* text;
        std::int64_t min, max;
        bool good;
    };
    const Row rows[] = {
        {"5", 5, 5, true},
        {"4", 5, 9, false},
        {"10", 5, 9, false},
        {"-1", 0, 9, false},
        {"9223372036854775807", 0, INT64_MAX, true},
        {"9223372036854775808", 0, INT64_MAX, false},
        {"18446744073709551615", INT64_MIN, INT64_MAX, false},
        {"-9223372036854775808", INT64_MIN, 0, true},
    };
    for (const Row& row : rows) {
        INFO(row.text);
        const auto document = parse(row.text);
        REQUIRE_OK(document);
        const auto number = document->root().integer(row.min, row.max);
        CHECK(number.has_value() == row.good);
        if (!row.good) REQUIRE_ERRC(Errc::bad_value, number);
    }
    for (const char* text : {"1.0", "1e2", "18446744073709551616", "-9223372036854775809"}) {
        INFO(text);
        REQUIRE_ERRC(Errc::wrong_type, parse(text)->root().integer(INT64_MIN, INT64_MAX));
    }
}

TEST_CASE("json: values stay valid when the document is moved", "[base][json]") {
    auto document = parse(R"({"a": {"b": "text"}})");
    REQUIRE_OK(document);
    const JsonDocument moved = *std::move(document);
    JsonObject top = moved.root().object().value();
    CHECK(top.required("a")->object()->required("b")->text().value() == "text");
}

TEST_CASE("json: an error about hostile bytes is short and printable", "[base][json]") {
    const std::string text =
        GENERATE(as<std::string>{}, "{\"a\": \"\xff\xfe\"}", "{\"a\": \"\x1b[2J\"}",
                 "{\"" + std::string(100000, 'k') + "\xff\": 1}");
    const auto document = JsonDocument::parse(text, "hostile");
    REQUIRE_ERRC(Errc::bad_json, document);
    const std::string& detail = document.error().detail;
    CHECK(detail.size() < 300);
    CHECK(std::all_of(detail.begin(), detail.end(), [](char c) { return c >= 0x20 && c <= 0x7e; }));
}
