// What the daemon gives up before it opens anything that callers or the network can reach.
#pragma once

#include <vector>

#include "agent/confine/places.h"
#include "quote/base/result.h"

namespace attestd {

/// Confines this process to `places` (landlock.h) and to the calls that it needs
/// (syscall_filter.h), for good, and logs what the kernel could do. Before there is a second
/// thread. A kernel without Landlock is a warning: the unit's own protection of the file system
/// stays. Any other failure is an error.
[[nodiscard]] Result<void> confine(const std::vector<Place>& places);

}  // namespace attestd
