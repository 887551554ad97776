// What /proc/PID/status and /proc/PID/stat say. Pure; both files are written by the kernel, but
// carry the process' own name, which may try to look like more fields.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

struct ProcStatus {
    uid_t uid;         ///< effective
    gid_t gid;         ///< effective
    pid_t tracer_pid;  ///< 0 when nobody traces it
};

/// Errc::peer_changed when a field is missing or no number.
[[nodiscard]] Result<ProcStatus> parse_proc_status(std::string_view text);

/// Field 22 of `stat`: clock ticks from boot to the process' start. Fields are counted from the
/// last
/// ')', since the name before it may hold anything. Errc::peer_changed.
[[nodiscard]] Result<std::uint64_t> parse_start_time(std::string_view text);

}  // namespace attestd
