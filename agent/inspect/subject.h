// Subject: a process that is held by a pidfd, looked at through /proc.
//
// Everything read is bracketed by looks at the pidfd: as long as it does not say that the process
// has exited, its number belonged to it all the while (spec/workload-identity.md section 3). The
// process is hostile: it may exec, exit, delete or replace its file at any instant. No file is
// opened for reading before it is known to be a regular one, and none is read beyond its length.
#pragma once

#include <chrono>

#include "agent/inspect/digest_cache.h"
#include "agent/inspect/message.h"
#include "quote/base/fd.h"

namespace attestd::inspect {

struct Bounds {
    std::uint64_t max_len = std::uint64_t{256} << 20;  ///< of a file that is read
    std::chrono::steady_clock::time_point deadline;
};

/// Looks at the process behind `pidfd`. May block for as long as a file system likes: called in a
/// process that can be killed.
[[nodiscard]] Answer look_at(const Fd& pidfd, const Request& request, const Bounds& bounds,
                             const DigestCache& cache);

/// SHA-256 over the `len` bytes of a regular file. Errc::exe_refused when the file is shorter or
/// longer, Errc::timed_out, Errc::io_failed.
[[nodiscard]] Result<Sha256> digest_file(const Fd& file, std::uint64_t len,
                                         std::chrono::steady_clock::time_point deadline);

/// The process' number in this pid namespace. Errc::peer_exited, Errc::peer_foreign_pidns,
/// Errc::bad_value when `pidfd` is none.
[[nodiscard]] Result<pid_t> pid_of(const Fd& pidfd);

}  // namespace attestd::inspect
