// What a process would be taken for if it connected: facts about a pid, without a connection.
//
// For telling an administrator, never for releasing: a pid may be another process by the time that
// the answer is read, and a process decides for itself what it becomes before it connects.
#pragma once

#include "agent/caller/caller.h"

namespace attestd {

/// Errc::peer_exited when there is no such process, the errors of its cgroup
/// (Errc::cgroup_delegated among them), Errc::peer_changed when /proc says something else than is
/// expected.
[[nodiscard]] Result<Caller> facts_of_process(const Kernel& kernel, pid_t pid, std::string listener,
                                              const IdentityConfig& rules);

/// The numbers in the line "Groups:" of /proc/PID/status. Errc::peer_changed.
[[nodiscard]] Result<std::vector<gid_t>> parse_groups(std::string_view status);

}  // namespace attestd
