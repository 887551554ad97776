// A server on a Unix socket that does exactly what a test tells it, right or wrong.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "quote/base/fd.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace attestd::test {

/// One accepted connection, in the server's thread.
class Peer {
 public:
    explicit Peer(Fd fd) : fd_(std::move(fd)) {}

    /// Reads until the head and its body (as long as Content-Length says, and at least `body_len`)
    /// are there, or the client closes: head and body may come apart.
    std::string read_request(std::size_t body_len = 0) {
        std::string got;
        std::array<char, 4096> buffer{};
        for (;;) {
            const auto head = got.find("\r\n\r\n");
            if (head != got.npos) body_len = std::max(body_len, stated_len(got.substr(0, head)));
            if (head != got.npos && got.size() >= head + 4 + body_len) return got;
            const ssize_t n = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
            if (n <= 0) return got;
            got.append(buffer.data(), static_cast<std::size_t>(n));
        }
    }
    /// False when the client has gone.
    bool send(std::string_view text) {
        while (!text.empty()) {
            const ssize_t n = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (n <= 0) return false;
            text.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    /// Waits until the client closes, so that it is never this side which ends first.
    void wait_for_close() {
        std::array<char, 256> sink{};
        while (::recv(fd_.get(), sink.data(), sink.size(), 0) > 0) {
        }
    }

 private:
    static std::size_t stated_len(const std::string& head) {
        constexpr std::string_view kField = "\r\nContent-Length: ";
        const auto at = head.find(kField);
        return at == head.npos ? 0 : std::strtoul(head.c_str() + at + kField.size(), nullptr, 10);
    }

    Fd fd_;
};

/// Serves one connection after the other with `script` until destruction.
class ScriptedServer {
 public:
    explicit ScriptedServer(std::function<void(Peer&)> script)
        : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path().c_str(), path().size());
        REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0);
        REQUIRE(::listen(listener_.get(), 4) == 0);
        thread_ = std::thread([this, run = std::move(script)] {
            for (;;) {
                Fd fd(::accept(listener_.get(), nullptr, nullptr));
                if (!fd) return;
                Peer peer(std::move(fd));
                run(peer);
            }
        });
    }
    ~ScriptedServer() {
        ::shutdown(listener_.get(), SHUT_RDWR);  // wakes accept()
        thread_.join();
    }
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;

    [[nodiscard]] std::string path() const { return (dir_ / "sock").string(); }

 private:
    TempDir dir_;
    Fd listener_;
    std::thread thread_;
};

/// A complete answer with a stated length.
inline std::string answer(std::string_view status, std::string_view body,
                          std::string_view more_fields = "") {
    return "HTTP/1.1 " + std::string(status) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
           std::string(more_fields) + "\r\n" + std::string(body);
}

}  // namespace attestd::test
