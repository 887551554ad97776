// Verifier: evidence in, attestation result out.
//
// `LocalVerifier` does everything in this process: no network, no clock, no environment. Whatever
// it needs (endorsements, trust anchors, policy, the time) is handed to it.
#pragma once

#include <memory>
#include <optional>

#include "quote/azure/azure_evidence.h"
#include "quote/base/time.h"
#include "quote/platform/evidence.h"
#include "verifier/endorsements.h"
#include "verifier/policy.h"
#include "verifier/result.h"
#include "verifier/trust_anchors.h"

namespace attestd {

/// What the caller knows that the evidence must say.
struct Expectations {
    std::optional<ReportData> report_data;  ///< compared over all 64 bytes, in constant time
    /// What a vTPM's quote must carry, in its exact length; vtpm_nonce() of `report_data` when not
    /// given.
    std::optional<Bytes> nonce{};
    /// The report was made by an SVSM and binds these bytes together with `report_data`.
    std::optional<Bytes> service_manifest{};
    /// Events that came with the evidence, to be held against its registers; empty: none came.
    Bytes event_log{};
};

class LocalVerifier final {
 public:
    explicit LocalVerifier(TrustAnchors anchors);
    ~LocalVerifier();
    LocalVerifier(const LocalVerifier&) = delete;
    LocalVerifier& operator=(const LocalVerifier&) = delete;

    /// Verifies `quote` (a TDX or SGX quote, or an SNP report) against `endorsements` as of `now`,
    /// then appraises its claims by `policy`. Never throws on input; every failure is a finding.
    /// Remembers what it verified, keyed by the exact bytes. One thread at a time.
    [[nodiscard]] AttestationResult appraise(ByteView quote, const Endorsements& endorsements,
                                             const AppraisalPolicy& policy,
                                             const Expectations& expected, Time now);

    /// The same for evidence of an Azure confidential VM: the hardware's report or quote, and what
    /// the paravisor and its vTPM put around it.
    [[nodiscard]] AttestationResult appraise(const AzureEvidence& evidence,
                                             const Endorsements& endorsements,
                                             const AppraisalPolicy& policy,
                                             const Expectations& expected, Time now);

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace attestd
