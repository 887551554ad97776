// What attestd-fetch does about itself before it reads a byte from anybody.
#pragma once

#include <string>
#include <vector>

#include "quote/base/fd.h"

namespace attestd::fetch {

/// Whether systemd passed exactly one descriptor to this process: then it is number 3.
[[nodiscard]] bool has_passed_connection();

/// Not dumpable, no core file, no new privileges, few descriptors, no environment; every descriptor
/// above standard error but `keep` is closed (-1: all). False when the kernel refuses.
[[nodiscard]] bool confine(int keep);

}  // namespace attestd::fetch
