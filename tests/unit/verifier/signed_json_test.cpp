// The signed text inside a served document (`spec/tdx.md` section 5.4, pitfalls 13 and 17).
#include "verifier/signed_json.h"

#include <chrono>

#include "tests/support/catch.h"
#include "tests/support/mutations.h"

namespace attestd {
namespace {

using test::ContainsSubstring;

TEST_CASE("signed JSON: the body is taken as it stands, to the last blank", "[verifier][json]") {
    struct Row {
        const char* text;
        const char* body;
        const char* signature;
    };
    const Row row = GENERATE(values<Row>({
        {R"({"b":{"a":1},"signature":"ab"})", R"({"a":1})", "ab"},
        {R"({"signature":"ab","b":{"a":1}})", R"({"a":1})", "ab"},
        {"\n{ \"b\" :\t{ \"a\" : [ 1 , {} ] } ,\r\n\"signature\" : \"\" } \n",
         "{ \"a\" : [ 1 , {} ] }", ""},
        {R"({"b":{"a":"}\"{"},"signature":"x\"y"})", R"({"a":"}\"{"})", R"(x\"y)"},
        {R"({"b":{"a":"\\"},"signature":"ab"})", R"({"a":"\\"})", "ab"},
        {R"({"b":{},"signature":"ab"})", "{}", "ab"},
    }));
    INFO(row.text);
    const auto parts = split_signed_json(row.text, "b");
    REQUIRE_OK(parts);
    CHECK(parts->body == row.body);
    CHECK(parts->signature == row.signature);
}

TEST_CASE("signed JSON: any other outer object is refused", "[verifier][json]") {
    struct Row {
        const char* text;
        Errc want;
    };
    const Row row = GENERATE(values<Row>({
        {"", Errc::bad_json},
        {"[]", Errc::bad_json},
        {"{", Errc::bad_json},
        {"{}", Errc::bad_json},
        {R"({"b":{},"signature":"ab"}x)", Errc::bad_json},
        {R"({"b":{},"signature":"ab"}{})", Errc::bad_json},
        {R"({"b":{},"signature":"ab",})", Errc::bad_json},
        {R"({"b":{} "signature":"ab"})", Errc::bad_json},
        {R"({"b" {},"signature":"ab"})", Errc::bad_json},
        {R"({b:{},"signature":"ab"})", Errc::bad_json},
        {R"({:{},"signature":"ab"})", Errc::bad_json},
        {R"({"b":{,"signature":"ab"})", Errc::bad_json},
        {R"({"b":,"signature":"ab"})", Errc::bad_json},
        {R"({"b":{},"signature":"ab)", Errc::bad_json},
        {R"({"b":{},"signature":"ab\"})", Errc::bad_json},
        {R"({"b":{}})", Errc::missing_key},
        {R"({"signature":"ab"})", Errc::missing_key},
        {R"({"b":{},"b":{},"signature":"ab"})", Errc::duplicate_key},
        {R"({"b":{},"signature":"ab","signature":"cd"})", Errc::duplicate_key},
        {R"({"b":{},"signature":"","signature":"cd"})", Errc::duplicate_key},
        {R"({"b":{},"signature":"ab","c":1})", Errc::unknown_key},
        {R"({"B":{},"signature":"ab"})", Errc::unknown_key},
        {R"({"\u0062":{},"signature":"ab"})", Errc::unknown_key},  // no second spelling of a key
        {R"({"b":[],"signature":"ab"})", Errc::wrong_type},
        {R"({"b":"{}","signature":"ab"})", Errc::wrong_type},
        {R"({"b":1,"signature":"ab"})", Errc::wrong_type},
        {R"({"b":{},"signature":12})", Errc::wrong_type},
        {R"({"b":{},"signature":null})", Errc::wrong_type},
    }));
    INFO(row.text);
    REQUIRE_ERRC(row.want, split_signed_json(row.text, "b"));
}

std::string nested(std::size_t depth, char open, char close) {
    return R"({"b":{"a":)" + std::string(depth, open) + std::string(depth, close) +
           R"(},"signature":"ab"})";
}

TEST_CASE("signed JSON: nesting over 32 is refused, and fast at 100000", "[verifier][json]") {
    REQUIRE_OK(split_signed_json(nested(31, '[', ']'), "b"));
    REQUIRE_ERRC(Errc::bad_json, split_signed_json(nested(32, '[', ']'), "b"));
    const std::string deep = nested(100000, '[', ']');
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE_ERRC(Errc::bad_json, split_signed_json(deep, "b"));
    CHECK_FALSE(json_has_outer_key(deep, "signature"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
}

TEST_CASE("signed JSON: an error stays short and printable whatever the key was",
          "[verifier][json]") {
    const std::string text = "{\"" + std::string(100000, 'k') + "\xff\x1b[2J\":1}";
    const auto parts = split_signed_json(text, "b");
    REQUIRE_ERRC(Errc::unknown_key, parts);
    CHECK(parts.error().detail.size() < 200);
    const auto odd = split_signed_json("{\"\x1b[2J\xff\":1}", "b");
    REQUIRE_ERRC(Errc::unknown_key, odd);
    CHECK(odd.error().detail.find_first_of("\x1b\xff") == std::string::npos);
}

TEST_CASE("signed JSON: keys are found at the outermost level alone", "[verifier][json]") {
    CHECK(json_has_outer_key(R"({"x":{"a":[1,"}"]},"a":2})", "a"));
    CHECK_FALSE(json_has_outer_key(R"({"x":{"a":1}})", "a"));
    CHECK_FALSE(json_has_outer_key(R"({"x":"a"})", "a"));
    CHECK_FALSE(json_has_outer_key(R"(["a"])", "a"));
    CHECK_FALSE(json_has_outer_key("", "a"));
    CHECK_FALSE(json_has_outer_key(R"({:1,"a":2})", "a"));
}

TEST_CASE("signed JSON: no prefix of a document is one", "[verifier][json]") {
    const std::string text = R"({"b":{"a":[1,{"c":"d"}]},"signature":"ab"})";
    std::size_t accepted = 0;
    test::for_each_truncation(as_bytes(text), [&](ByteView mutant, std::size_t) {
        accepted += split_signed_json(as_text(mutant), "b") ? 1 : 0;
    });
    CHECK(accepted == 0);
}

}  // namespace
}  // namespace attestd
