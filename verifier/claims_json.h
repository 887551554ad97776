// Claims and decoded formats as JSON, under the names that DESIGN fixes for `fields` and `claims`:
// bytes in lower-case hexadecimal, flags as true and false, 64-bit words as "0x...".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "quote/amd/leaf_extension.h"
#include "quote/amd/snp_report.h"
#include "quote/boot/boot_facts.h"
#include "quote/intel/pck_extension.h"
#include "quote/intel/quote.h"
#include "quote/intel/tdreport.h"
#include "verifier/azure/azure_claims.h"
#include "verifier/result.h"

namespace attestd {

[[nodiscard]] nlohmann::ordered_json fields_of(const IntelQuote& quote);
[[nodiscard]] nlohmann::ordered_json fields_of(const EnclaveReport& report);
[[nodiscard]] nlohmann::ordered_json fields_of(const LocalTdReport& report);
[[nodiscard]] nlohmann::ordered_json fields_of(const SnpReport& report);
[[nodiscard]] nlohmann::ordered_json fields_of(const PckExtension& extension);
[[nodiscard]] nlohmann::ordered_json fields_of(const AmdLeafExtension& extension);
[[nodiscard]] nlohmann::ordered_json fields_of(const TcbVersion& tcb);
[[nodiscard]] nlohmann::ordered_json fields_of(const RuntimeData& runtime);
[[nodiscard]] nlohmann::ordered_json fields_of(const AzureClaims& claims);
[[nodiscard]] nlohmann::ordered_json fields_of(const BootFacts& boot);
/// PCR values by their number.
[[nodiscard]] nlohmann::ordered_json pcrs_json(const std::array<Sha256, kNumPcrs>& pcrs);

/// The whole result, as `attestctl verify --json` prints it.
[[nodiscard]] nlohmann::ordered_json to_json(const AttestationResult& result);

}  // namespace attestd
