// What a process for one connection (attestd-fetch, attestd-azure-vtpm) does about itself before it
// reads a byte from anybody.
#pragma once

#include <string>
#include <vector>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::fetch {

/// Whether systemd passed exactly one descriptor to this process: then it is number 3.
[[nodiscard]] bool has_passed_connection();

/// Errc::wrong_type when `fd` is not one end of a connected Unix stream socket; says which setting
/// makes it one.
[[nodiscard]] Result<void> check_connection(const Fd& fd);

/// Not dumpable, no core file, no new privileges, few descriptors, no environment; every descriptor
/// above standard error but `keep` is closed (-1: all). False when the kernel refuses.
[[nodiscard]] bool confine(int keep);

}  // namespace attestd::fetch
