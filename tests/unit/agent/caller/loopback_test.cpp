// Which sockets may be handed over for "loopback_tcp", and who may call there.
#include "agent/caller/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "quote/base/fd.h"
#include "tests/support/catch.h"

namespace attestd::loopback_test {
namespace {

sockaddr_storage address_of(const char* text, std::uint16_t port = 0) {
    sockaddr_storage out{};
    sockaddr_in in4{};
    sockaddr_in6 in6{};
    in4.sin_family = AF_INET;
    in6.sin6_family = AF_INET6;
    in4.sin_port = in6.sin6_port = htons(port);
    if (::inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
        std::memcpy(&out, &in4, sizeof in4);
    } else if (::inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        std::memcpy(&out, &in6, sizeof in6);
    }
    return out;
}

Fd listening(const char* text, bool listens = true) {
    const sockaddr_storage address = address_of(text);
    Fd out(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const socklen_t len = address.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    REQUIRE(::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), len) == 0);
    if (listens) REQUIRE(::listen(out.get(), 1) == 0);
    return out;
}

}  // namespace

TEST_CASE("loopback: addresses of this machine's loopback, and no others", "[agent][loopback]") {
    for (const char* const good : {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"}) {
        INFO(good);
        CHECK(is_loopback(address_of(good)));
    }
    for (const char* const bad :
         {"0.0.0.0", "126.255.255.255", "128.0.0.1", "10.0.0.1", "::", "::2", "::ffff:10.0.0.1",
          "::ffff:0.0.0.0", "fe80::1", "::127.0.0.1"}) {
        INFO(bad);
        CHECK_FALSE(is_loopback(address_of(bad)));
    }
    CHECK_FALSE(is_loopback(sockaddr_storage{}));
    CHECK(address_text(address_of("127.0.0.1", 8006)) == "127.0.0.1:8006");
    CHECK(address_text(address_of("::1", 8006)) == "[::1]:8006");
    CHECK(address_text(sockaddr_storage{}) == "another family");
}

TEST_CASE("loopback: a socket that others could reach, or that is none, is refused by name",
          "[agent][loopback]") {
    REQUIRE_OK(check_loopback_listener(listening("127.0.0.1").get(), "coco"));
    REQUIRE_ERRC(Errc::bad_config, check_loopback_listener(listening("0.0.0.0").get(), "coco"));
    REQUIRE_ERRC(Errc::bad_config,
                 check_loopback_listener(listening("127.0.0.1", /*listens=*/false).get(), "coco"));
    const Fd local(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE_ERRC(Errc::bad_config, check_loopback_listener(local.get(), "coco"));
    const auto everywhere = check_loopback_listener(listening("0.0.0.0").get(), "coco");
    CHECK(everywhere.error().detail.find("\"coco\"") != std::string::npos);
    CHECK(everywhere.error().detail.find("0.0.0.0:") != std::string::npos);
}

}  // namespace attestd::loopback_test
