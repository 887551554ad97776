// The remote sources, as configuration names them.
#pragma once

#include "agent/release/vault.h"
#include "agent/session.h"

namespace attestd {

/// One for each; `io` and `session` outlive them. Each gets a strand of its own among `threads`. An
/// error names the source.
[[nodiscard]] Result<Vault::Remotes> make_remotes(Io& io, Session& session, const Config& config,
                                                  const asio::thread_pool::executor_type& threads);

/// Whether make_remotes() would succeed.
[[nodiscard]] Result<void> check_remotes(const Config& config);

}  // namespace attestd
