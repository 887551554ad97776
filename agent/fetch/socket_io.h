// The connection to the client: bytes in and out before a deadline.
#pragma once

#include <span>

#include "agent/fetch/message.h"
#include "quote/base/fd.h"

namespace attestd::fetch {

/// How many bytes came; 0 at the end. Errc::timed_out, Errc::io_failed.
[[nodiscard]] Result<std::size_t> receive_some(const Fd& socket, std::span<char> into,
                                               Deadline deadline);

/// Sends all of it. Errc::timed_out, Errc::unavailable when the client has gone.
[[nodiscard]] Result<void> send_all(const Fd& socket, ByteView bytes, Deadline deadline);

}  // namespace attestd::fetch
