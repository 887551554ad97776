// One accepted socket: bytes in with the credentials of who wrote them, bytes out.
//
// Reads go through recvmsg(2), so that each piece carries the kernel's word about its writer, and
// descriptors that a peer sends are closed as they arrive. Writes go out straight from where the
// bytes lie. Nothing here blocks: when the socket is not ready, the caller waits for it.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <optional>
#include <span>

#include "agent/caller/kernel.h"
#include "agent/task.h"
#include "quote/base/secret.h"

namespace attestd {

using Socket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;

/// What one read gave.
struct Received {
    std::size_t len = 0;  ///< 0: the peer has closed
    std::optional<PeerCredentials> writer;
};

class Wire final {
 public:
    /// Takes an accepted socket, which is set non-blocking.
    explicit Wire(Socket socket);

    /// Waits for bytes and takes what fits. Errc::unavailable when the connection broke or close()
    /// was called. `into` must outlive the call.
    [[nodiscard]] Task<Result<Received>> receive(std::span<std::uint8_t> into);

    /// Writes all of `head`, then all of `body`. Both must outlive the call.
    [[nodiscard]] Task<Result<void>> send(ByteView head, ByteView body);
    /// The same with a secret as the body.
    [[nodiscard]] Task<Result<void>> send(ByteView head, const Secret& body);

    /// Ends the connection: what waits on it returns.
    void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }
    [[nodiscard]] Executor executor() noexcept { return socket_.get_executor(); }
    [[nodiscard]] int fd() noexcept { return socket_.native_handle(); }

 private:
    template <class Try>
    Task<Result<void>> send_all(std::size_t total, Try attempt);

    Socket socket_;
};

}  // namespace attestd
