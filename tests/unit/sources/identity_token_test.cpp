// Tokens to log in with that another service keeps in a file.
#include "agent/sources/identity_token.h"

#include <sys/stat.h>

#include <filesystem>

#include "quote/base/base64url.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace attestd::identity_token_test {
namespace {

std::string token_with(std::string_view claims) {
    return to_base64url(as_bytes(R"({"alg":"ES256"})")) + "." + to_base64url(as_bytes(claims)) +
           ".c2ln";
}

Result<IdentityToken> token_in(const std::filesystem::path& path) {
    return tokens_of_file(path)->token(TokenAge::any, {});
}

}  // namespace

TEST_CASE("identity token: a file's token, and when it ends", "[sources]") {
    const test::TempDir dir;
    const std::string text = token_with(R"({"exp":253402300799,"sub":"x"})");
    const auto path = dir.write("token", std::string_view(" " + text + "\r\n"));
    ::chmod(path.c_str(), 0640);
    const auto token = token_in(path);
    REQUIRE_OK(token);
    CHECK(token->text.expose([&](ByteView bytes) { return as_text(bytes) == text; }));
    REQUIRE(token->expires.has_value());
    CHECK(*token->expires > BootClock::now() + std::chrono::hours(23));
    dir.write("token", std::string_view(token_with("{}")));
    const auto other = token_in(path);
    REQUIRE_OK(other);
    CHECK_FALSE(other->expires.has_value());
}

TEST_CASE("identity token: what stands in a file and is no token", "[sources]") {
    struct Row {
        const char* name;
        std::string text;
    };
    const auto row = GENERATE(values<Row>({{"empty", ""},
                                           {"two parts", "a.b"},
                                           {"two lines", "a.b.c\na.b.c"},
                                           {"too long", "a.b." + std::string(20000, 'c')},
                                           {"expired", token_with(R"({"exp":1})")}}));
    CAPTURE(row.name);
    const test::TempDir dir;
    const auto path = dir.write("token", std::string_view(row.text));
    ::chmod(path.c_str(), 0600);
    REQUIRE_ERRC(Errc::identity_unavailable, token_in(path));
}

TEST_CASE("identity token: a file that others reach, or none", "[sources]") {
    const test::TempDir dir;
    const auto path = dir.write("token", std::string_view(token_with("{}")));
    for (const mode_t mode : {0644, 0620, 0602, 0601}) {
        ::chmod(path.c_str(), mode);
        REQUIRE_ERRC(Errc::identity_unavailable, token_in(path));
    }
    ::chmod(path.c_str(), 0600);
    REQUIRE_OK(token_in(path));
    std::filesystem::create_symlink(path, dir / "link");
    REQUIRE_ERRC(Errc::identity_unavailable, token_in(dir / "link"));
    REQUIRE_ERRC(Errc::identity_unavailable, token_in(dir / "absent"));
    REQUIRE_ERRC(Errc::identity_unavailable, token_in(dir.path()));
}

TEST_CASE("identity token: an end that cannot be read is no end", "[sources]") {
    for (const char* const claims : {"{}", R"({"exp":-1})", R"({"exp":"1"})", "[]", "{", ""})
        CHECK_FALSE(expiry_of_token(token_with(claims)).has_value());
    for (const char* const token : {"", "a", "a.b", "a.!.c", "..", "a.e30.c"})
        CHECK_FALSE(expiry_of_token(token).has_value());
    CHECK(expiry_of_token(token_with(R"({"exp":5})")) == Time(std::chrono::seconds(5)));
}

}  // namespace attestd::identity_token_test
