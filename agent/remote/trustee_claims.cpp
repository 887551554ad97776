#include "agent/remote/trustee_claims.h"

#include <array>

#include "agent/remote/token.h"

namespace attestd::remote {
namespace {

// Trustee's own names, below the TEE's.
constexpr auto kTrusteeTdPairs = std::to_array<ClaimPair>({
    {"mr_td", "mrtd", Need::must_be_there},
    {"rtmr_0", "rtmr0", Need::may_be_absent},
    {"rtmr_1", "rtmr1", Need::may_be_absent},
    {"rtmr_2", "rtmr2", Need::may_be_absent},
    {"rtmr_3", "rtmr3", Need::may_be_absent},
    {"mr_config_id", "mrconfigid", Need::may_be_absent},
    {"mr_owner", "mrowner", Need::may_be_absent},
    {"td_attributes", "td_attributes", Need::may_be_absent},
    {"xfam", "xfam", Need::may_be_absent},
});
constexpr auto kTrusteeSnpPairs = std::to_array<ClaimPair>({
    {"measurement", "measurement", Need::must_be_there},
    {"chip_id", "chip_id", Need::may_be_absent},
    {"policy_debug_allowed", "policy_debug", Need::may_be_absent},
});

// Services before Trustee v0.16 have other names for Azure's.
Result<JsonObject> claims_of_tee(JsonObject& annotated, kbs::TeeKind kind) {
    const auto legacy = kbs::tee_name_of(kind, kbs::TeeSpelling::legacy);
    const bool is_legacy = annotated.value().raw().contains(legacy);
    return object_claim(annotated,
                        is_legacy ? legacy : kbs::tee_name_of(kind, kbs::TeeSpelling::current));
}

}  // namespace

Result<void> check_trustee_claims(JsonObject& annotated, const EvidenceFacts& facts,
                                  kbs::TeeKind kind) {
    ATTESTD_TRY(JsonObject claims, claims_of_tee(annotated, kind));
    if (facts.tee == Tee::snp) return check_claims(claims, kTrusteeSnpPairs, facts.claims);
    ATTESTD_TRY(JsonObject quote, object_claim(claims, "quote"));
    ATTESTD_TRY(JsonObject body, object_claim(quote, "body"));
    return check_claims(body, kTrusteeTdPairs, facts.claims);
}

}  // namespace attestd::remote
