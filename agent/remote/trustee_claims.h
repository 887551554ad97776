// A machine's claims as Trustee's attestation service annotates them (`spec/kbs.md` section 6.1),
// by way of a key broker or not.
#pragma once

#include "agent/kbs/tee_evidence.h"
#include "agent/remote/match.h"

namespace attestd::remote {

/// Whether "ear.veraison.annotated-evidence" speaks of this very evidence. Errc::token_malformed,
/// Errc::token_evidence.
[[nodiscard]] Result<void> check_trustee_claims(JsonObject& annotated, const EvidenceFacts& facts,
                                                kbs::TeeKind kind);

}  // namespace attestd::remote
