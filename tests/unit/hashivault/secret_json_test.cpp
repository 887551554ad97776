// JSON of which a part is secret: what the parser gets, and what is given back.
#include "agent/hashivault/secret_json.h"

#include <array>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace attestd::hashivault::secret_json_test {
namespace {

constexpr std::array<std::string_view, 2> kPart{"data", "data"};

Result<SecretJson> parse(std::string_view text) {
    return SecretJson::parse(Secret::copy_of(as_bytes(text)).value(), kPart);
}
std::string seen(std::string_view text) {
    const auto json = parse(text);
    REQUIRE_OK(json);
    return json->document().root().raw().dump();
}
std::string plain(const Result<Secret>& secret) {
    REQUIRE_OK(secret);
    return secret->expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}
Result<Secret> field(const SecretJson& json, std::string_view name) {
    auto data = json.document().root().object()->required("data")->object();
    auto inner = data->required("data")->object();
    return json.text_of(*inner->optional(name));
}

}  // namespace

TEST_CASE("secret JSON: the parser gets shape and names of the secret part, and no value",
          "[hashivault]") {
    struct Row {
        const char* text;
        const char* want;
    };
    const auto row = GENERATE(values<Row>({
        {R"({"data":{"data":{"a":"x","b":"y"},"metadata":{"version":3,"t":"z"}}})",
         R"({"data":{"data":{"a":"0","b":"1"},"metadata":{"t":"z","version":3}}})"},
        {R"({"data":{"data":"x"}})", R"({"data":{"data":"0"}})"},
        {R"({"data":{"data":null}})", R"({"data":{"data":null}})"},
        {R"({"data":{"data":{"a":[1,true,{"data":"q"}],"n":-1.5e3}}})",
         R"({"data":{"data":{"a":[null,null,{"data":"0"}],"n":null}}})"},
        {R"({"auth":{"data":{"data":"seen"}},"data":[{"data":"seen"}]})",
         R"({"auth":{"data":{"data":"seen"}},"data":[{"data":"seen"}]})"},
        {" { \"data\" : { \"data\" : \"x\\u0041\\n\" } } ", R"({"data":{"data":"0"}})"},
        {"{}", "{}"},
        {"[]", "[]"},
        {R"("text")", R"("text")"},
    }));
    CAPTURE(row.text);
    CHECK(seen(row.text) == row.want);
}

TEST_CASE("secret JSON: texts are given back as they were meant, the whole as it came",
          "[hashivault]") {
    const auto json = parse(
        R"({"x":1,"data":{"data": {"a":"p\"q\\\/\b\f\n\r\t","u":"\u00e9\u20AC\ud83d\ude00","e":"", "n":1} }})");
    REQUIRE_OK(json);
    CHECK(plain(field(*json, "a")) == "p\"q\\/\b\f\n\r\t");
    CHECK(plain(field(*json, "u")) == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK(plain(field(*json, "e")).empty());
    REQUIRE_ERRC(Errc::wrong_type, field(*json, "n"));
    CHECK(plain(json->whole()) ==
          R"({"a":"p\"q\\\/\b\f\n\r\t","u":"\u00e9\u20AC\ud83d\ude00","e":"", "n":1})");
    CHECK(plain(parse("{}")->whole()).empty());
}

TEST_CASE("secret JSON: half of a surrogate pair is no text", "[hashivault]") {
    for (const char* const text :
         {R"("\ud800")", R"("\ud800x")", R"("\ud800\u0041")", R"("\udc00")", R"("\ud800\ud800")"}) {
        const auto json = parse(std::string(R"({"data":{"data":{"a":)") + text + "}}}");
        REQUIRE_OK(json);
        REQUIRE_ERRC(Errc::bad_json, field(*json, "a"));
    }
}

TEST_CASE("secret JSON: what is no JSON, also within the secret part", "[hashivault]") {
    const std::string text =
        GENERATE("", "{", "}", R"({"data":{"data":{"a":"x}}})", R"({"data":{"data":{"a":"x"}})",
                 R"({"data":{"data":{"a":x}}})", R"({"data":{"data":{"a":01}}})",
                 R"({"data":{"data":{"a":1.}}})", R"({"data":{"data":{"a":}}})",
                 R"({"data":{"data":{"a":"\x"}}})", R"({"data":{"data":{"a":"\u12g4"}}})",
                 "{\"data\":{\"data\":{\"a\":\"\n\"}}}", R"({"data":{"data":{"a":"x",}}})",
                 R"({"data":{"data":["x"})", R"({"data":{"data":{}}} x)",
                 R"({"data":{"data":{}}}{})", R"({"da\u0074a":{"data":"x"}})",
                 R"({"data":{"d\u0061ta":"x"}})", "{\"data\":tru}", "{\"a\":\"\\", R"({'data':1})");
    CAPTURE(text);
    REQUIRE_ERRC(Errc::bad_json, parse(text));
}

TEST_CASE("secret JSON: names twice, depth and length are bounded", "[hashivault]") {
    REQUIRE_ERRC(Errc::duplicate_key, parse(R"({"data":{"data":{"a":"x","a":"y"}}})"));
    REQUIRE_ERRC(Errc::duplicate_key, parse(R"({"data":{"data":"x"},"data":{}})"));
    REQUIRE_ERRC(Errc::too_large, parse(std::string(40, '[') + std::string(40, ']')));
    REQUIRE_ERRC(Errc::too_large, parse("\"" + std::string(std::size_t{2} << 20, 'x') + "\""));
}

TEST_CASE("secret JSON: every cut of an answer is refused", "[hashivault]") {
    const std::string text =
        R"({"lease_id":"","data":{"data":{"a":"\u00e9x","n":12},"metadata":{"version":1}}})";
    for (std::size_t len = 0; len < text.size(); ++len) {
        CAPTURE(len);
        REQUIRE_ERRC(Errc::bad_json, parse(text.substr(0, len)));
    }
}

}  // namespace attestd::hashivault::secret_json_test
