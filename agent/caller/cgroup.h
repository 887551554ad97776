// A process' cgroup as systemd unit, slices and container (spec/workload-identity.md section 4).
//
// Pure: text in, names out. The path is walked from the root, because everything below the first
// unit or container is named by whoever runs there.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/container_pattern.h"
#include "quote/base/result.h"

namespace attestd {

struct CgroupIdentity {
    std::string unit;                 ///< "nginx.service"; empty when there is none
    std::vector<std::string> slices;  ///< around the unit or container, outermost first
    std::string container_id;         ///< 64 hexadecimal digits; empty when there is none
    std::string pod_uid;              ///< of a Kubernetes container
    std::string hierarchy;            ///< "unified" or "systemd": where `trusted_dirs` are
    /// Folders below the hierarchy's root that must belong to root for the names above to hold:
    /// those in which somebody could have made a folder of that name.
    std::vector<std::string> trusted_dirs;

    friend bool operator==(const CgroupIdentity&, const CgroupIdentity&) = default;
};

using ContainerPatterns = std::span<const ContainerPattern>;

/// Reads the text of /proc/PID/cgroup; containers are known by the usual patterns and `configured`.
/// Errc::cgroup_malformed ("malformed", "deleted" or "conflict") or Errc::cgroup_foreign
/// ("cgroupns"): the detail starts with that word.
[[nodiscard]] Result<CgroupIdentity> parse_cgroup(std::string_view text,
                                                  ContainerPatterns configured = {});

}  // namespace attestd
