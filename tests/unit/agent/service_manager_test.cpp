// systemd's protocols, spoken to a socket of the test's.
#include "agent/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

using namespace attestd;
using attestd::test::ContainsSubstring;
using attestd::test::TempDir;

namespace {

Fd manager_at(const std::string& path) {
    Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    auto len = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
        --len;
    }
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), len) == 0);
    return fd;
}

std::string next(const Fd& fd) {
    std::array<char, 512> buffer{};
    const ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    return n < 0 ? std::string("nothing") : std::string(buffer.data(), static_cast<std::size_t>(n));
}

void passed(const char* pid, const char* count, const char* names) {
    ::setenv("LISTEN_PID", pid, 1);
    ::setenv("LISTEN_FDS", count, 1);
    ::setenv("LISTEN_FDNAMES", names, 1);
}

}  // namespace

TEST_CASE("notify: datagrams reach a path and an abstract address", "[agent][systemd]") {
    const bool is_abstract = GENERATE(false, true);
    const TempDir dir;
    const std::string address =
        is_abstract ? "@attestd-test-" + std::to_string(::getpid()) : (dir / "notify").string();
    const Fd manager = manager_at(address);
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    const ServiceManager service;
    CHECK(std::getenv("NOTIFY_SOCKET") == nullptr);
    service.notify_ready("fine");
    CHECK_THAT(next(manager), ContainsSubstring("READY=1\nSTATUS=fine\n"));
    service.notify_reloading();
    CHECK_THAT(next(manager), ContainsSubstring("RELOADING=1\nMONOTONIC_USEC="));
    service.notify("WATCHDOG=1");
    CHECK(next(manager) == "WATCHDOG=1");
    service.notify_stopping();
    CHECK_THAT(next(manager), ContainsSubstring("STOPPING=1"));
}

TEST_CASE("notify: without a manager, or with an odd address, nothing happens",
          "[agent][systemd]") {
    const char* const address = GENERATE("", "relative", "/no/such/folder/socket");
    ::setenv("NOTIFY_SOCKET", address, 1);
    const ServiceManager service;
    service.notify_ready("x");
    CHECK_FALSE(service.watchdog_interval().has_value());
}

TEST_CASE("watchdog: half of what the manager allows, when it means this process",
          "[agent][systemd]") {
    const TempDir dir;
    const std::string path = (dir / "n").string();
    const Fd manager = manager_at(path);
    const auto with = [&](const std::string& pid) {
        ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
        ::setenv("WATCHDOG_USEC", "3000000", 1);
        ::setenv("WATCHDOG_PID", pid.c_str(), 1);
        return ServiceManager().watchdog_interval();
    };
    CHECK(with(std::to_string(::getpid())) == std::chrono::microseconds(1'500'000));
    CHECK_FALSE(with("1").has_value());
}

TEST_CASE("passed sockets: meant for another process, they are left alone", "[agent][systemd]") {
    passed("1", "1", "default");
    const auto sockets = take_passed_sockets();
    REQUIRE_OK(sockets);
    CHECK(sockets->empty());
    CHECK(std::getenv("LISTEN_FDS") == nullptr);
}

TEST_CASE("passed sockets: numbers and names that do not fit are refused", "[agent][systemd]") {
    const std::string pid = std::to_string(::getpid());
    const char* const count = GENERATE("x", "-1", "65", "2");
    INFO(count);
    passed(pid.c_str(), count, "only-one");
    REQUIRE_ERRC(Errc::bad_config, take_passed_sockets());
}
