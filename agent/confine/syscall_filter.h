// The kernel's calls that the daemon can still make, for good: those that it needs, and no others.
#pragma once

#include "quote/base/result.h"

namespace attestd {

/// From now on this thread, and every thread that it makes, is killed with its process (SIGSYS)
/// for a call that attestd does not need: no programs, no debuggers, no sockets but Unix ones, no
/// memory that becomes executable, no ioctl() but those of the TEE's devices and of pidfds. To be
/// called before there is a second thread. Needs PR_SET_NO_NEW_PRIVS.
///
/// A build under a sanitizer, or one that counts coverage, makes calls of its own: there the filter
/// is left out, and the answer is false (meson.build).
[[nodiscard]] Result<bool> filter_syscalls();

}  // namespace attestd
