// What attestd-inspect has to be asked about a caller, and what its answers mean.
//
// The first answer is the caller's baseline, taken before its first byte is read; every release by
// a rule that may rest on it takes another look (spec/workload-identity.md sections 3 and 6).
#pragma once

#include "agent/caller/caller.h"
#include "agent/task.h"

namespace attestd {

/// Errc::bad_config when a rule needs attestd-inspect and there is no socket where it is said to
/// be.
[[nodiscard]] Result<void> check_inspector(const Config& config);

/// Asks about `peer` what the rules of `policy` make necessary, and notes the answer. Whether
/// anything was noted. Errors of ask_inspector(), and Errc::peer_changed when an earlier answer
/// said something else. `peer` outlives the call.
[[nodiscard]] Task<Result<bool>> inspect_peer(std::shared_ptr<const Config> policy, Peer& peer);

/// Whether the caller still runs the file and lives in the namespaces that it was matched by; no
/// question unless a rule may rest on the answer. Errors as inspect_peer(). `peer` outlives the
/// call.
[[nodiscard]] Task<Result<void>> reinspect_peer(std::shared_ptr<const Config> policy,
                                                const Peer& peer);

/// Before an answer leaves: reinspect_peer(), then Peer::recheck(); errors of both.
[[nodiscard]] Task<Result<void>> check_peer_again(std::shared_ptr<const Config> policy,
                                                  const Peer& peer);

/// Why a caller that no rule matched may have been refused, for the auditor: its executable gave
/// no digest.
[[nodiscard]] Error explained(Error error, const Caller& caller);

}  // namespace attestd
