// Evidence of an Azure confidential VM: which step follows which, and what is done again when the
// vTPM changes in between (`spec/snp.md` section 13, `spec/kbs.md` section 5.4).
#pragma once

#include <functional>

#include "agent/azure_vtpm/metadata.h"
#include "agent/azure_vtpm/tpm.h"
#include "quote/azure/azure_evidence.h"
#include "quote/platform/evidence.h"
#include "quote/platform/platform.h"

namespace attestd::vtpm {

/// The clock that waiting goes by.
struct Waiting {
    std::function<Deadline()> now = [] { return std::chrono::steady_clock::now(); };
    std::function<void(std::chrono::milliseconds)> sleep;
};
/// The real one.
[[nodiscard]] Waiting real_waiting();

/// The TPM's part of evidence of version 2, with `report_data` as user-data and vtpm_nonce() of it
/// in the quote. Nobody else may use the TPM's indexes meanwhile. Errc::vtpm_failed when the blob
/// does not take up the report data, is torn or malformed, or the PCRs never stand still;
/// Errc::timed_out; the errors of Tpm.
[[nodiscard]] Result<AzureEvidence> collect_from_tpm(Tpm& tpm, const ReportData& report_data,
                                                     Deadline deadline, const Waiting& waiting);

/// Evidence made of it with the metadata service's part: for SNP the VCEK and its issuers, when it
/// gives them; for TDX the TD quote, which must come from there. The event log is left to the
/// caller. Errors of the parsers and, of a TDX guest, of Metadata.
[[nodiscard]] Result<Evidence> complete_evidence(AzureEvidence azure, Metadata& metadata,
                                                 Deadline deadline, const Waiting& waiting);

}  // namespace attestd::vtpm
