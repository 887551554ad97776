// Asking attestd-inspect about a caller: one connection, one message each way, before a deadline.
//
// Nothing here blocks: the caller whose facts are wanted waits, and nobody else does. The answer is
// read as if a stranger had sent it.
#pragma once

#include <chrono>
#include <filesystem>

#include "agent/inspect/message.h"
#include "agent/task.h"
#include "quote/base/fd.h"

namespace attestd {

/// Longer than an inspection and a wait for one's turn usually take; shorter than a connection may
/// take for its first request.
inline constexpr auto kInspectTimeout = std::chrono::seconds(4);

/// What the inspector at `socket` says about the process behind `pidfd`, which the caller keeps
/// open meanwhile. Errc::peer_exited, Errc::peer_changed, Errc::peer_foreign_pidns; otherwise
/// Errc::inspect_failed.
[[nodiscard]] Task<Result<inspect::Facts>> ask_inspector(
    std::filesystem::path socket, const Fd& pidfd, inspect::Request request,
    std::chrono::milliseconds timeout = kInspectTimeout);

}  // namespace attestd
