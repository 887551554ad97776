// UnixAddress: a path that does not fit is refused, not cut.
#include "quote/base/unix_address.h"

#include <unistd.h>

#include <string>

#include "quote/base/fd.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using namespace attestd;

namespace {

Fd new_socket() { return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

int bind_and_listen(const Fd& fd, const UnixAddress& address) {
    return ::bind(fd.get(), address.get(), address.len()) == 0 ? ::listen(fd.get(), 1) : -1;
}

}  // namespace

TEST_CASE("UnixAddress: what is bound at a path is reached by the path", "[base][unix_address]") {
    const test::TempDir dir;
    const auto address = UnixAddress::of_path((dir / "s").native());
    REQUIRE_OK(address);
    const Fd server = new_socket(), client = new_socket();
    REQUIRE(bind_and_listen(server, *address) == 0);
    CHECK(std::filesystem::is_socket(dir / "s"));
    CHECK(::connect(client.get(), address->get(), address->len()) == 0);
}

TEST_CASE("UnixAddress: the longest path fits, one byte more is refused", "[base][unix_address]") {
    const test::TempDir dir;
    const std::string base = dir.path().native() + "/";
    const std::string longest = base + std::string(107 - base.size(), 'x');
    const auto address = UnixAddress::of_path(longest);
    REQUIRE_OK(address);
    const Fd server = new_socket();
    REQUIRE(bind_and_listen(server, *address) == 0);
    CHECK(std::filesystem::is_socket(longest));
    REQUIRE_ERRC(Errc::bad_value, UnixAddress::of_path(longest + "x"));
    REQUIRE_ERRC(Errc::bad_value, UnixAddress::of_path(""));
    REQUIRE_ERRC(Errc::bad_value, UnixAddress::of_path(std::string("/tmp/a\0b", 8)));
    REQUIRE_ERRC(Errc::bad_value, UnixAddress::of_path_or_abstract(""));
}

TEST_CASE("UnixAddress: a leading @ is an abstract name where that is asked for",
          "[base][unix_address]") {
    const std::string name = "@attestd-test-" + std::to_string(::getpid());
    const auto address = UnixAddress::of_path_or_abstract(name);
    REQUIRE_OK(address);
    CHECK(address->len() == sizeof(sa_family_t) + name.size());
    const Fd server = new_socket(), client = new_socket();
    REQUIRE(bind_and_listen(server, *address) == 0);
    CHECK(::connect(client.get(), address->get(), address->len()) == 0);
    CHECK_FALSE(std::filesystem::exists(name));
}
