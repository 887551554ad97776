// What Azure's evidence was made for: the report data that user-data and the vTPM's quote bind
// (`spec/kbs.md` section 5.4).
//
// The hardware's own report data binds the paravisor's key; what the caller gave is in user-data,
// and what the vTPM signs is made of that.
#pragma once

#include "quote/azure/azure_evidence.h"
#include "quote/azure/hcl_blob.h"

namespace attestd {

/// Reads it; nothing is verified here. `type` is whose hardware the blob must hold:
/// Errc::unsupported_type otherwise. Errc::missing_key without user-data, Errc::vtpm_missing,
/// Errc::vtpm_nonce when quote and user-data disagree, and errors of the parsers.
[[nodiscard]] Result<ByteArray<64>> bound_data_of(const AzureEvidence& evidence,
                                                  HclReportType type);

}  // namespace attestd
