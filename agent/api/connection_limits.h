// Bounds of one connection that are not configuration.
#pragma once

#include <cstddef>
#include <string_view>

namespace attestd {

constexpr std::size_t kMaxHeadLen = 16384;  ///< our requests need a tenth of it; one buffer each
/// Below this path documents of provisioning are posted (agent/provision/request.h).
constexpr std::string_view kProvisionDocuments = "/v1/admin/provision/";
constexpr std::size_t kMaxControlLen = 1024;  ///< SCM_CREDENTIALS and a few unwanted descriptors
constexpr std::size_t kMaxReceivedFds = 253;  ///< SCM_MAX_FD: all of them are closed at once

}  // namespace attestd
