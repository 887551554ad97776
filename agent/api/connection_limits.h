// Bounds of one connection that are not configuration.
#pragma once

#include <cstddef>

namespace attestd {

constexpr std::size_t kMaxHeadLen = 16384;    ///< our requests need a tenth of it; one buffer each
constexpr std::size_t kMaxControlLen = 1024;  ///< SCM_CREDENTIALS and a few unwanted descriptors
constexpr std::size_t kMaxReceivedFds = 253;  ///< SCM_MAX_FD: all of them are closed at once

}  // namespace attestd
