// What attestd-inspect does about itself before it reads a byte from anybody.
#pragma once

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::inspect {

/// Whether systemd passed exactly one descriptor to this process: then it is number 3.
[[nodiscard]] bool has_passed_socket();

/// Keeps CAP_SYS_PTRACE and nothing else, for good: not dumpable, no core file, no new privileges,
/// no environment, no descriptor but the standard ones and `keep`. Errc::access_denied when the
/// capability is not there or another one cannot be given up.
[[nodiscard]] Result<void> confine(const Fd& keep);

}  // namespace attestd::inspect
