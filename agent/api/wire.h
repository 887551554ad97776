// One accepted socket: bytes in with the credentials of who wrote them, bytes out.
//
// Reads go through recvmsg(2), so that each piece carries the kernel's word about its writer, and
// descriptors that a peer sends are closed as they arrive. Writes go out straight from where the
// bytes lie. Nothing here waits: what cannot be done now is said, and the poller says when.
#pragma once

#include <optional>
#include <span>

#include "agent/caller/kernel.h"
#include "quote/base/secret.h"

namespace attestd {

/// What one read gave.
struct Received {
    std::size_t len = 0;  ///< 0: the peer has closed
    std::optional<PeerCredentials> writer;
};

class Wire final {
 public:
    /// Takes an accepted socket.
    explicit Wire(Fd socket) noexcept : socket_(std::move(socket)) {}

    /// Takes what has come and fits. Empty when nothing has come yet. Errc::unavailable when the
    /// connection broke.
    [[nodiscard]] Result<std::optional<Received>> receive(std::span<std::uint8_t> into);

    /// Writes what the socket takes of `head` and then `body`, whose first `done` bytes together
    /// have gone out before. The number that has gone out then. Errc::unavailable when the
    /// connection broke.
    [[nodiscard]] Result<std::size_t> send(ByteView head, ByteView body, std::size_t done);
    /// The same with a secret as the body.
    [[nodiscard]] Result<std::size_t> send(ByteView head, const Secret& body, std::size_t done);

    void close() noexcept { socket_.reset(); }
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }

 private:
    Fd socket_;
};

}  // namespace attestd
