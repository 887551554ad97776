// attestd-caller: a caller that does as it is told, one command a line on standard input; for the
// tests of callers' identity. Every command is answered with one line.
//
//   connect PATH      a connection, kept as the one that is used from then on
//   get NAME          asks for a secret and prints the status and the body, or "gone"
//   send NAME, recv   the two halves of it
//   write N TEXT      TEXT in N messages of one byte, each with a descriptor sent along
//   exec PATH         becomes another program of this kind, which goes on with the same connection
//   leave PATH        a child goes on; this process becomes PATH, and sleeps
//   orphan            a child goes on; this process ends
//   uid N             becomes that user for good
//   name TEXT         the process' name
//   dumpable N        PR_SET_DUMPABLE
//   pass PATH, take PATH   hands the connection to who listens at PATH, or waits there for one
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

int connection = -1;

void say(const std::string& text) { std::cout << text << std::endl; }

std::string outcome(bool good) { return good ? "ok" : std::strerror(errno); }

int unix_socket(const std::string& path, bool listening) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    if (!listening) return ::connect(fd, generic, sizeof address) == 0 ? fd : -1;
    if (::bind(fd, generic, sizeof address) != 0 || ::listen(fd, 1) != 0) return -1;
    return fd;
}

bool send_fd(int through, const char* text, std::size_t len, int fd) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec part{const_cast<char*>(text), len};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return ::sendmsg(through, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(len);
}

int receive_fd(int through) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    char byte = 0;
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(through, &message, 0) <= 0) return -1;
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    int fd = -1;
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS)
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

bool send_request(const std::string& name) {
    const std::string text = "GET /v1/secrets/" + name + " HTTP/1.1\r\nHost: attestd\r\n\r\n";
    return ::send(connection, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
}

// "200 BODY", on one line; "gone" when the connection ends without an answer.
std::string receive_answer() {
    std::string text;
    for (;;) {
        const auto end = text.find("\r\n\r\n");
        const auto length = text.find("Content-Length: ");
        if (end != text.npos && length != text.npos) {
            const auto want = std::stoul(text.substr(length + 16));
            if (text.size() >= end + 4 + want)
                return text.substr(9, 3) + " " + text.substr(end + 4, want);
        }
        std::array<char, 4096> buffer{};
        const ssize_t n = ::recv(connection, buffer.data(), buffer.size(), 0);
        if (n <= 0) return "gone";
        text.append(buffer.data(), static_cast<std::size_t>(n));
    }
}

// The other program goes on with this process' input and connection.
void become(const std::string& path, bool goes_on) {
    std::string fd = std::to_string(goes_on ? connection : -1);
    std::string program = path;
    std::string flag = goes_on ? "--connection" : "--sleep";
    std::array<char*, 4> argv{program.data(), flag.data(), fd.data(), nullptr};
    ::execv(path.c_str(), argv.data());
    say(std::strerror(errno));
    std::_Exit(1);
}

bool write_with_descriptors(std::size_t n, const std::string& text) {
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (std::size_t i = 0; i < n; ++i) {
        if (!send_fd(connection, &text[i % text.size()], 1, null)) return false;
    }
    return true;
}

void hand_over(const std::string& path) {
    const int other = unix_socket(path, /*listening=*/false);
    say(outcome(other >= 0 && send_fd(other, "x", 1, connection)));
}

void take_over(const std::string& path) {
    const int listener = unix_socket(path, /*listening=*/true);
    say(outcome(listener >= 0));
    connection = receive_fd(::accept(listener, nullptr, nullptr));
    say(connection >= 0 ? "taken" : "nothing came");
}

void leave(const std::string& path) {
    std::cout.flush();
    if (::fork() != 0) become(path, /*goes_on=*/false);
    say("ok " + std::to_string(::getpid()));
}

void orphan() {
    std::cout.flush();
    if (::fork() != 0) std::_Exit(0);
    say("ok " + std::to_string(::getpid()));
}

void obey(const std::string& line) {
    std::istringstream in(line);
    std::string verb, argument;
    in >> verb >> argument;
    if (verb == "connect") {
        connection = unix_socket(argument, /*listening=*/false);
        return say(outcome(connection >= 0));
    }
    if (verb == "get") {
        send_request(argument);  // who was turned away has an answer to read all the same
        return say(receive_answer());
    }
    if (verb == "send") return say(outcome(send_request(argument)));
    if (verb == "recv") return say(receive_answer());
    if (verb == "exec") return become(argument, /*goes_on=*/true);
    if (verb == "leave") return leave(argument);
    if (verb == "orphan") return orphan();
    if (verb == "pass") return hand_over(argument);
    if (verb == "take") return take_over(argument);
    if (verb == "name") return say(outcome(::prctl(PR_SET_NAME, line.substr(5).c_str()) == 0));
    if (verb == "dumpable")
        return say(outcome(::prctl(PR_SET_DUMPABLE, std::stoul(argument), 0, 0, 0) == 0));
    if (verb == "uid") {
        const auto uid = static_cast<uid_t>(std::stoul(argument));
        return say(outcome(::setresuid(uid, uid, uid) == 0));
    }
    if (verb == "write") {
        std::string rest;
        std::getline(in >> std::ws, rest);
        return say(outcome(write_with_descriptors(std::stoul(argument), rest)));
    }
    say("no such command: " + verb);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string flag = argc > 2 ? argv[1] : "";
    if (flag == "--sleep") ::pause();
    if (flag == "--connection") connection = std::atoi(argv[2]);
    say("ready " + std::to_string(::getpid()));
    for (std::string line; std::getline(std::cin, line);) obey(line);
    return 0;
}
