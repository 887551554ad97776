// A TD's claims as Intel Trust Authority and Microsoft Azure Attestation name them alike
// (`spec/remote-verifiers.md` sections 1.5 and 2.5), and what they come to (sections 5 and 8).
#pragma once

#include "agent/remote/match.h"
#include "verifier/finding.h"

namespace attestd::remote {

/// Whether the claims are those of this evidence. Errc::token_evidence.
[[nodiscard]] Result<void> check_td_claims(JsonObject& claims, const Claims& evidence);

/// Findings about the TCB's status and the debug state: "tcb.status", "policy.debug". What is not
/// said is an error, and so is a status that is not known. The middle tier is an error unless
/// `accept_warning`.
void appraise_td_claims(JsonObject& claims, bool accept_warning, Findings& out);

/// "policy.debug" unless the flag is there and false.
void appraise_debug_flag(JsonObject& claims, std::string_view name, Findings& out);

}  // namespace attestd::remote
