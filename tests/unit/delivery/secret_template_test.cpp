// Templates: secrets stand where they are named, text stays as it is, and nothing is guessed.
#include "agent/delivery/secret_template.h"

#include <map>

#include "tests/support/catch.h"

using namespace attestd;
using attestd::test::ContainsSubstring;

namespace {

Result<std::string> rendered(std::string_view text) {
    auto form = SecretTemplate::parse(text);
    if (!form) return tl::make_unexpected(form.error());
    std::map<std::string, Secret> values;
    for (const std::string& name : form->names()) {
        auto value = Secret::copy_of(as_bytes("<" + name + ">"));
        REQUIRE_OK(value);
        values.emplace(name, *std::move(value));
    }
    auto whole =
        form->render([&](const std::string& name) -> const Secret& { return values.at(name); });
    REQUIRE_OK(whole);
    return whole->expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}

}  // namespace

TEST_CASE("template: secrets stand where they are named", "[delivery][template]") {
    struct Row {
        const char *text, *want;
    };
    const auto row = GENERATE(values<Row>({
        {"", ""},
        {"plain { } text }}", "plain { } text }}"},
        {R"({{ secret "a" }})", "<a>"},
        {R"({{secret"a"}})", "<a>"},
        {"user=x\npassword={{ secret \"db/password\" }}\n", "user=x\npassword=<db/password>\n"},
        {R"({{ secret "a" }}{{ secret "b" }}{{ secret "a" }})", "<a><b><a>"},
        {R"(a {{ "{{" }} b)", "a {{ b"},
        {R"({{ "secret" }})", "secret"},
    }));
    INFO(row.text);
    const auto text = rendered(row.text);
    REQUIRE_OK(text);
    CHECK(*text == row.want);
}

TEST_CASE("template: each name is listed once", "[delivery][template]") {
    const auto form = SecretTemplate::parse(R"({{ secret "b" }}{{ secret "a" }}{{ secret "b" }})");
    REQUIRE_OK(form);
    CHECK(form->names() == std::vector<std::string>{"b", "a"});
}

TEST_CASE("template: anything else in double braces is an error with its line",
          "[delivery][template]") {
    struct Row {
        const char *text, *says;
    };
    const auto row = GENERATE(values<Row>({
        {"{{", "line 1"},
        {"\n\n{{ secret }}", "line 3: {{ secret"},
        {R"({{ secret "a" )", "}} is missing"},
        {R"({{ secret "a" }x)", "}} is missing"},
        {R"({{ secret "a" "b" }})", "}} is missing"},
        {R"({{ secret "a)", "is expected"},
        {"{{ secret \"a\nb\" }}", "is expected"},
        {R"({{ secret a }})", "is expected"},
        {R"({{ secret "a b" }})", "is no secret's name"},
        {R"({{ secret "../a" }})", "is no secret's name"},
        {R"({{ secret "" }})", "is no secret's name"},
        {R"({{ env "PATH" }})", "is expected"},
        {R"({{- secret "a" }})", "is expected"},
    }));
    INFO(row.text);
    const auto refused = SecretTemplate::parse(row.text);
    REQUIRE_ERRC(Errc::delivery_template, refused);
    CHECK_THAT(refused.error().detail, ContainsSubstring(row.says));
}

TEST_CASE("template: one that is too long is refused", "[delivery][template]") {
    REQUIRE_OK(SecretTemplate::parse(std::string(kMaxTemplateLen, 'x')));
    REQUIRE_ERRC(Errc::too_large, SecretTemplate::parse(std::string(kMaxTemplateLen + 1, 'x')));
}
