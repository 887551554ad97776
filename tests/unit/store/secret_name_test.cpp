// The form of a secret's name, on which URLs, logs and audit records rely.
#include "agent/secret_name.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace attestd::test {

TEST_CASE("secret name: parts of allowed characters joined by / are taken as they are", "[store]") {
    for (const char* good : {"a", "db/password", "A-Z_0.9", "...", "a..b/.c", "-", "x/y/z"}) {
        INFO(good);
        const auto name = SecretName::parse(good);
        REQUIRE_OK(name);
        CHECK(name->text() == good);
    }
    REQUIRE_OK(SecretName::parse(std::string(255, 'a')));
}

TEST_CASE("secret name: what could leave a folder, a URL or a line is secret.bad-name", "[store]") {
    for (const std::string& bad :
         {std::string(), std::string("/"), std::string("/a"), std::string("a/"),
          std::string("a//b"), std::string("."), std::string(".."), std::string("a/.."),
          std::string("../a"), std::string("a/./b"), std::string("a b"), std::string("a\nb"),
          std::string("a%2fb"), std::string("a?b"), std::string("a\\b"), std::string("\xc3\xa4"),
          std::string("a\0b", 3), std::string(256, 'a')}) {
        INFO(bad);
        REQUIRE_ERRC(Errc::bad_name, SecretName::parse(bad));
    }
}

TEST_CASE("secret name: of all bytes exactly 66 may stand in a name", "[store]") {
    int num_allowed = 0;
    for (int byte = 0; byte < 256; ++byte) {
        const std::string name{'x', static_cast<char>(byte), 'x'};
        if (SecretName::parse(name)) ++num_allowed;
    }
    CHECK(num_allowed == 26 + 26 + 10 + 3 + 1);
}

TEST_CASE("secret name: an error does not repeat the text, which may be hostile", "[store]") {
    const auto name = SecretName::parse("\x1b[31mred");
    REQUIRE_ERRC(Errc::bad_name, name);
    CHECK(name.error().detail.find('\x1b') == std::string::npos);
}

}  // namespace attestd::test
