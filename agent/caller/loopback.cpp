#include "agent/caller/loopback.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "quote/base/fd.h"

namespace attestd {
namespace {

sockaddr_in in4_of(const sockaddr_storage& address) noexcept {
    sockaddr_in out{};
    // lint: allow memcpy: the kernel fills a storage for addresses of every family
    std::memcpy(&out, &address, sizeof out);
    return out;
}

sockaddr_in6 in6_of(const sockaddr_storage& address) noexcept {
    sockaddr_in6 out{};
    // lint: allow memcpy: as above
    std::memcpy(&out, &address, sizeof out);
    return out;
}

bool is_loopback4(std::uint32_t host_order) noexcept { return host_order >> 24 == 127; }

int socket_option(int socket, int which) noexcept {
    int value = -1;
    socklen_t len = sizeof value;
    return ::getsockopt(socket, SOL_SOCKET, which, &value, &len) == 0 ? value : -1;
}

using AddressOf = int (*)(int, sockaddr*, socklen_t*);

Result<sockaddr_storage> address_by(AddressOf ask, int socket, const char* what) {
    sockaddr_storage out{};
    socklen_t len = sizeof out;
    // lint: allow reinterpret_cast: the interface of sockets
    if (ask(socket, reinterpret_cast<sockaddr*>(&out), &len) != 0) return fail_errno(errno, what);
    return out;
}

}  // namespace

bool is_loopback(const sockaddr_storage& address) noexcept {
    if (address.ss_family == AF_INET) return is_loopback4(ntohl(in4_of(address).sin_addr.s_addr));
    if (address.ss_family != AF_INET6) return false;
    const in6_addr in6 = in6_of(address).sin6_addr;
    if (IN6_IS_ADDR_LOOPBACK(&in6)) return true;
    return IN6_IS_ADDR_V4MAPPED(&in6) && in6.s6_addr[12] == 127;
}

std::string address_text(const sockaddr_storage& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.ss_family == AF_INET) {
        const sockaddr_in in4 = in4_of(address);
        if (::inet_ntop(AF_INET, &in4.sin_addr, text.data(), text.size()) != nullptr)
            return fmt::format("{}:{}", text.data(), ntohs(in4.sin_port));
    }
    if (address.ss_family == AF_INET6) {
        const sockaddr_in6 in6 = in6_of(address);
        if (::inet_ntop(AF_INET6, &in6.sin6_addr, text.data(), text.size()) != nullptr)
            return fmt::format("[{}]:{}", text.data(), ntohs(in6.sin6_port));
    }
    return "another family";
}

Result<void> check_loopback_listener(int socket, std::string_view name) {
    const int family = socket_option(socket, SO_DOMAIN);
    const bool is_tcp = (family == AF_INET || family == AF_INET6) &&
                        socket_option(socket, SO_TYPE) == SOCK_STREAM &&
                        socket_option(socket, SO_ACCEPTCONN) == 1;
    if (!is_tcp) {
        return fail(Errc::bad_config,
                    fmt::format("listener \"{}\" says \"loopback_tcp\", and the descriptor that "
                                "systemd passed for it is no listening TCP socket",
                                name));
    }
    ATTESTD_TRY(const sockaddr_storage bound, address_by(&::getsockname, socket, "getsockname"));
    if (is_loopback(bound)) return {};
    return fail(
        Errc::bad_config,
        fmt::format("listener \"{}\": the socket that systemd passed is bound to {}, where "
                    "others than this machine may call; give it ListenStream=127.0.0.1:PORT",
                    name, address_text(bound)));
}

Result<std::string> loopback_peer(int socket) {
    ATTESTD_TRY(const sockaddr_storage peer, address_by(&::getpeername, socket, "getpeername"));
    if (is_loopback(peer)) return address_text(peer);
    return fail(Errc::caller_unknown,
                fmt::format("{} is not this machine's loopback", address_text(peer)));
}

}  // namespace attestd
