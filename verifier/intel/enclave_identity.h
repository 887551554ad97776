// Enclave identities: which quoting enclave may sign (`spec/tdx.md` section 5.3). Parsed only after
// the signature was checked.
#pragma once

#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/intel/quote.h"
#include "verifier/intel/tcb_info.h"

namespace attestd {

struct EnclaveIdentity {
    std::string id;  ///< "QE", "TD_QE", "QVE" or "QAE"
    Window validity;
    std::uint32_t evaluation_data_number;
    ByteArray<4> misc_select, misc_select_mask;  ///< memory order
    ByteArray<16> attributes, attributes_mask;
    ByteArray<32> mr_signer;
    std::uint16_t isv_prod_id;
    std::vector<IsvLevel> levels;  ///< newest first
};

/// Parses the signed text. Errc::qe_identity_malformed, Errc::qe_identity_version.
[[nodiscard]] Result<EnclaveIdentity> parse_enclave_identity(std::string_view text);

/// Whether the quoting enclave that made `report` is the one described (6, step 6): MISCSELECT and
/// ATTRIBUTES under their masks, MRSIGNER, ISVPRODID, no debug. Errc::qe_report_mismatch names the
/// field.
[[nodiscard]] Result<void> match_enclave(const EnclaveReport& report,
                                         const EnclaveIdentity& identity);

}  // namespace attestd
