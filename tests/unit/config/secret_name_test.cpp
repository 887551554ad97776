// Names of secrets and ids.
#include "config/secret_name.h"

#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("secret name: parts of plain characters joined by slashes are taken", "[config][name]") {
    const char* const text =
        GENERATE("a", "db/password", "A-Z_0.9", "a/b/c/d", "...", "a/.b", "x..y");
    INFO(text);
    const auto name = SecretName::parse(text);
    REQUIRE_OK(name);
    CHECK(name->text() == text);
}

TEST_CASE("secret name: what could lead elsewhere or hide is refused", "[config][name]") {
    const char* const text =
        GENERATE("", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a b", "a%2fb",
                 "a\\b", "\xc3\xa4", "a\nb", "a?b", "a*");
    INFO(text);
    REQUIRE_ERRC(Errc::bad_name, SecretName::parse(text));
}

TEST_CASE("secret name: 255 bytes are taken and 256 are not", "[config][name]") {
    CHECK(SecretName::parse(std::string(255, 'a')).has_value());
    REQUIRE_ERRC(Errc::bad_name, SecretName::parse(std::string(256, 'a')));
}

TEST_CASE("id: one part of at most 64 bytes", "[config][name]") {
    CHECK(check_id(std::string(64, 'x')).has_value());
    REQUIRE_ERRC(Errc::bad_name, check_id(std::string(65, 'x')));
    REQUIRE_ERRC(Errc::bad_name, check_id("a/b"));
    REQUIRE_ERRC(Errc::bad_name, check_id(""));
    REQUIRE_ERRC(Errc::bad_name, check_id(".."));
}
