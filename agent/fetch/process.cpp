#include "agent/fetch/process.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace attestd::fetch {
namespace {

constexpr rlim_t kMaxFiles = 64;  // a connection, its server, a resolver's sockets, CA files
constexpr unsigned kFirstOther = 3;

bool close_others(int keep) {
    if (keep < 0) return ::close_range(kFirstOther, ~0U, 0) == 0;
    const auto kept = static_cast<unsigned>(keep);
    return (kept == kFirstOther || ::close_range(kFirstOther, kept - 1, 0) == 0) &&
           ::close_range(kept + 1, ~0U, 0) == 0;
}

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

}  // namespace

bool has_passed_connection() {
    return variable("LISTEN_FDS") == "1" &&
           variable("LISTEN_PID") == fmt::format_int(::getpid()).str();
}

Result<void> check_connection(const Fd& fd) {
    const auto option = [&](int which) {
        int value = -1;
        socklen_t len = sizeof value;
        return ::getsockopt(fd.get(), SOL_SOCKET, which, &value, &len) == 0 ? value : -1;
    };
    if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM)
        return fail(Errc::wrong_type,
                    fmt::format("descriptor {} is no Unix stream socket", fd.get()));
    if (option(SO_ACCEPTCONN) == 1)
        return fail(Errc::wrong_type,
                    "a listening socket was passed: Accept=yes in the socket "
                    "unit, or --listen, makes connections of it");
    return {};
}

bool confine(int keep) {
    const rlimit none{0, 0}, few{kMaxFiles, kMaxFiles};
    ::umask(0077);
    std::signal(SIGPIPE, SIG_IGN);
    // Proxies, resolver options, OpenSSL's configuration: none of it is the environment's to say.
    return ::clearenv() == 0 && close_others(keep) && ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::setrlimit(RLIMIT_CORE, &none) == 0 &&
           ::setrlimit(RLIMIT_NOFILE, &few) == 0;
}

}  // namespace attestd::fetch
