// The verifier's own token as what a source logs in with.
#pragma once

#include <memory>

#include "agent/session.h"
#include "agent/sources/identity_token.h"

namespace attestd {

/// The token behind the session's present result. For another one the session is renewed, and
/// waited for until the deadline. Errc::identity_unavailable when there is none. `io` runs the
/// session; both outlive the tokens.
[[nodiscard]] std::shared_ptr<IdentityTokens> tokens_of_verifier(Io& io, Session& session);

}  // namespace attestd
