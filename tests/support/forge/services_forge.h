// The vendors' services as they answer for a synthetic machine: path by path, with Intel's issuer
// chain headers percent-encoded as Intel's are (`spec/tdx.md` section 5.1, `spec/snp.md` section
// 9).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/forge/amd_forge.h"
#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/intel_forge.h"

namespace attestd::forge {

struct ServiceAnswer {
    std::string path;  ///< with its query: "/tdx/certification/v4/tcb?fmspc=...&update=standard"
    std::vector<std::pair<std::string, std::string>> headers;
    Bytes body;
};

/// What Intel's service, or a PCCS, says about a platform: TCB info and QE identity of `spec` (for
/// TDX or SGX, as they say), the PCK CA's list and the root's, the latter at both of its places
/// ("/IntelSGXRootCA.der", and "/sgx/certification/v4/rootcacrl" in hexadecimal).
[[nodiscard]] std::vector<ServiceAnswer> intel_answers(const CollateralSpec& spec,
                                                       const IntelHierarchy& intel,
                                                       const PckFields& machine);

/// What AMD's service says about a chip at a TCB: the VCEK, both chains, both lists.
[[nodiscard]] std::vector<ServiceAnswer> amd_answers(const AmdHierarchy& amd,
                                                     const ByteArray<64>& chip_id,
                                                     const SnpTcb& tcb, Window crl_validity);

}  // namespace attestd::forge
