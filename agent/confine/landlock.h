// Landlock: what of the file system this process can still open, for good.
#pragma once

#include <vector>

#include "agent/confine/places.h"
#include "quote/base/result.h"

namespace attestd {

/// From now on this thread, and every thread and process that it makes, opens only what `places`
/// cover, binds and connects no TCP socket and signals no other process, as far as the kernel can
/// forbid it. To be called before there is a second thread. Needs PR_SET_NO_NEW_PRIVS.
///
/// A place that is not there yet stands for the nearest folder above it that is, the root excepted;
/// a device that is not there stands for nothing.
/// Returns the version of the kernel's interface (1: files alone; 3: truncating; 4: TCP; 5:
/// devices' ioctl(); 6: signals), 0 where the kernel has none; an error when a rule is refused.
[[nodiscard]] Result<int> confine_files(const std::vector<Place>& places);

}  // namespace attestd
