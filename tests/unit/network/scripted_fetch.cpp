// Stands for attestd-fetch where SpawningFetcher starts it: does, right or wrong, what the name of
// its --config says.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr int kConnection = 3;

std::string read_head() {
    std::string got;
    std::array<char, 4096> buffer{};
    while (got.find("\r\n\r\n") == got.npos) {
        const ssize_t n = ::recv(kConnection, buffer.data(), buffer.size(), 0);
        if (n <= 0) break;
        got.append(buffer.data(), static_cast<std::size_t>(n));
    }
    return got;
}

void answer(std::string_view body) {
    const std::string wire = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                             "\r\nConnection: close\r\n\r\n" + std::string(body);
    if (::send(kConnection, wire.data(), wire.size(), MSG_NOSIGNAL) < 0) std::_Exit(1);
}

// What the parent gave: open descriptors, variables of the environment, ignored or blocked signals.
std::string inheritance() {
    std::string out;
    for (int fd = 0; fd < 256; ++fd) {
        if (::fcntl(fd, F_GETFD) >= 0) out += "fd " + std::to_string(fd) + "\n";
    }
    for (char** variable = environ; *variable != nullptr; ++variable)
        out += std::string("variable ") + *variable + "\n";
    struct sigaction action {};
    ::sigaction(SIGPIPE, nullptr, &action);
    if (action.sa_handler == SIG_IGN) out += "SIGPIPE ignored\n";
    sigset_t blocked;
    ::sigprocmask(SIG_BLOCK, nullptr, &blocked);
    if (::sigismember(&blocked, SIGTERM) == 1) out += "SIGTERM blocked\n";
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    std::string arguments;
    for (int i = 1; i < argc; ++i) arguments += std::string(argv[i]) + "\n";
    const std::string_view how = argc > 1 ? std::string_view(argv[argc - 1]) : "";
    if (how == "/dies-at-once") return 1;
    const std::string head = read_head();
    if (how == "/dies") ::raise(SIGKILL);
    if (how == "/hangs") ::pause();
    if (how == "/lives-on") {
        answer("ok");
        ::pause();
    }
    if (how == "/tells-pid") answer(std::to_string(::getpid()));
    if (how == "/tells-request") answer(head);
    if (how == "/tells-arguments") answer(arguments);
    if (how == "/tells-inheritance") answer(inheritance());
    return 0;
}
