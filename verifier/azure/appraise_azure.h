// What a paravisor's blob and its vTPM add to the appraisal of a hardware report (`spec/snp.md`
// section 13): binding, quote, freshness, policy.
#pragma once

#include "quote/azure/azure_evidence.h"
#include "quote/azure/hcl_blob.h"
#include "quote/platform/evidence.h"
#include "verifier/internal/pending.h"
#include "verifier/policy.h"
#include "verifier/verifier.h"

namespace attestd {

/// What the policies say about a paravisor's evidence. A blob is worth as much as the paravisor
/// that made it: whoever runs a guest of his own can bind any key, and quote any PCRs with it.
struct AzureRules {
    explicit AzureRules(const SnpPolicy& snp);
    explicit AzureRules(const TdxPolicy& tdx);

    const AzurePolicy& azure;
    bool paravisor_pinned;  ///< by its measurement, or by the key that signed it
};

/// Judges everything around the hardware report, whose REPORT_DATA is `report_data`. Nothing is
/// done when the report itself failed. Errors: Errc::hcl_binding, Errc::hcl_malformed, those of
/// verify_vtpm_quote(); absent: Errc::vtpm_missing.
void appraise_azure(Pending& pending, const AzureEvidence& evidence, const HclBlob& blob,
                    const ReportData& report_data, const AzureRules& rules,
                    const Expectations& expected);

/// A report that was not made by the paravisor, at VMPL 0, but by what runs above it: that could
/// bind a key of its own.
void refuse_other_vmpl(ResultBuilder& out, const SnpReport& report);

/// Evidence without a paravisor's blob under this policy: refused where the policy names Azure's,
/// since whoever strips the blob strips the PCRs.
void refuse_bare(ResultBuilder& out, const AzurePolicy& policy);

}  // namespace attestd
