// The sockets of attestd-inspect: the one that listens, and one request on one that was accepted.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "agent/inspect/message.h"
#include "quote/base/fd.h"

namespace attestd::inspect {

/// The uid to which the file of a listening Unix socket belongs. Errc::wrong_type when `socket` is
/// no listening SOCK_SEQPACKET socket with a path.
[[nodiscard]] Result<uid_t> owner_of(const Fd& socket);

/// A listening socket of our own, mode 0600; its file goes with it.
class SocketFile final {
 public:
    /// Gives the file to `owner`. Errc::too_busy when another process listens there.
    [[nodiscard]] static Result<SocketFile> bind(const std::string& path,
                                                 std::optional<uid_t> owner);
    SocketFile(SocketFile&&) noexcept = default;
    SocketFile& operator=(SocketFile&&) = delete;
    ~SocketFile();

    [[nodiscard]] const Fd& socket() const noexcept { return socket_; }

 private:
    SocketFile() = default;
    Fd socket_;
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

/// Accepts a connection of `client`; empty when there is none, or it was another's and is closed.
[[nodiscard]] Result<std::optional<Fd>> accept_of(const Fd& listener, uid_t client);

struct Received {
    Request request;
    Fd pidfd;
};

/// The request that waits on `connection`. Errc::truncated at its end, Errc::bad_value unless
/// exactly one descriptor came with it; every other descriptor is closed.
[[nodiscard]] Result<Received> receive_request(const Fd& connection);

/// One message, without waiting.
[[nodiscard]] bool send_message(const Fd& connection, ByteView bytes) noexcept;
/// The answer that waits on `connection`; as parse_answer(), and Errc::truncated at its end.
[[nodiscard]] Result<Answer> receive_answer(const Fd& connection);

}  // namespace attestd::inspect
