#include "quote/azure/bound_data.h"

#include "quote/azure/runtime_data.h"
#include "quote/azure/tpm_quote.h"

namespace attestd {

Result<ByteArray<64>> bound_data_of(const AzureEvidence& evidence, HclReportType type) {
    ATTESTD_TRY(const HclBlob blob, parse_hcl_blob(evidence.hcl_blob));
    if (blob.report_type != type)
        return fail(Errc::unsupported_type, "the paravisor's blob is of another TEE");
    ATTESTD_TRY(const RuntimeData runtime, parse_runtime_data(blob.runtime_data));
    if (!runtime.user_data) return fail(Errc::missing_key, "no user-data in the runtime data");
    if (!evidence.vtpm_quote) return fail(Errc::vtpm_missing, "no quote of the vTPM");
    ATTESTD_TRY(const TpmQuote quote, parse_tpm_quote(evidence.vtpm_quote->message));
    if (equal(quote.extra_data, vtpm_nonce(*runtime.user_data))) return *runtime.user_data;
    return fail(Errc::vtpm_nonce, "the vTPM's quote was made for something else than user-data");
}

}  // namespace attestd
