// Whether a token speaks of this machine's evidence: its claims held against what the evidence
// states itself.
//
// Nonces say that an answer is new and meant for us. They do not say whose evidence was judged:
// whoever stands between can have genuine hardware of his own sign our report data. A claim that
// the token does not make cannot be held against anything, so the essential ones must be there.
#pragma once

#include <span>
#include <string_view>

#include "quote/base/json.h"
#include "quote/claims.h"
#include "quote/platform/evidence.h"
#include "verifier/result.h"

namespace attestd::remote {

/// What evidence states, taken apart; `bytes` are the hardware's own.
struct EvidenceFacts {
    Tee tee;
    Bytes bytes;
    Claims claims;
    ReportData report_data;  ///< in the hardware's own report or quote
    Bytes runtime_data;      ///< a paravisor's JSON, the exact bytes; empty for other evidence
    Bytes vcek;              ///< DER, where it came with a paravisor's evidence

    [[nodiscard]] bool is_azure() const noexcept { return !runtime_data.empty(); }
};

/// Errors of the parsers; Errc::platform_unsupported for what is neither TDX nor SNP;
/// Errc::hcl_binding when a paravisor's JSON is not what its hardware vouches for.
[[nodiscard]] Result<EvidenceFacts> facts_of(const Evidence& evidence);

enum class Need : std::uint8_t { must_be_there, may_be_absent };

/// A claim by its names in a token and in all_claims(). Bytes are hexadecimal in either case.
struct ClaimPair {
    std::string_view in_token, in_evidence;
    Need need;
};

/// Errc::token_evidence for a claim that differs, or is absent and must be there.
[[nodiscard]] Result<void> check_claims(JsonObject& token, std::span<const ClaimPair> pairs,
                                        const Claims& evidence);

/// The 64 bytes of report data in a hexadecimal claim. Errc::token_malformed, Errc::token_evidence.
[[nodiscard]] Result<ReportData> report_data_claim(JsonObject& token, std::string_view name);

}  // namespace attestd::remote
