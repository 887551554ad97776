// serve(): connections of attestd, each one request, each looked after by a child of its own.
//
// The children are there to be killed: an executable may lie on storage that never answers. One uid
// has one child at a time, the others of it wait; a uid whose inspection took too long is refused
// for a second without a try (spec/workload-identity.md section 8).
#pragma once

#include <chrono>

#include "agent/inspect/socket.h"

namespace attestd::inspect {

struct ServerConfig {
    uid_t client = 0;                                  ///< the only one that is answered
    std::uint64_t max_len = std::uint64_t{256} << 20;  ///< of an executable
    std::chrono::milliseconds time_limit{2000};        ///< one inspection
    bool stops_when_idle = false;                      ///< after a minute without a connection
};

inline constexpr std::size_t kMaxJobs = 256;  // further ones wait in the socket's backlog
inline constexpr std::size_t kMaxChildren = 32;

/// Until SIGTERM or SIGINT; children end with this process.
[[nodiscard]] Result<void> serve(const Fd& listener, const ServerConfig& config);

}  // namespace attestd::inspect
