// The sources that are key brokers, as configuration names them.
#pragma once

#include "agent/release/vault.h"
#include "agent/session.h"

namespace attestd {

/// One for each; `io` and `session` outlive them. Errors of KbsSource::make(), with the source's
/// name.
[[nodiscard]] Result<Vault::Brokers> make_brokers(Io& io, Session& session, const Config& config);

/// Whether make_brokers() would succeed.
[[nodiscard]] Result<void> check_brokers(const Config& config);

}  // namespace attestd
