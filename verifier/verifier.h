// Verifier: evidence in, attestation result out.
//
// `LocalVerifier` does everything in this process: no network, no clock, no environment. Whatever
// it needs (endorsements, trust anchors, policy, the time) is handed to it.
#pragma once

#include <memory>
#include <optional>

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

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace attestd
