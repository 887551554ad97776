// TCB info, version 3: which TCB levels exist for a platform model and what each is worth
// (`spec/tdx.md` section 5.2). Parsed only after its signature was checked.
//
// Keys that are not known are passed over: the document is signed, and Intel adds members without a
// new version. Values that are not known are refused.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/base/time.h"
#include "verifier/intel/tcb_status.h"

namespace attestd {

struct TcbLevel {
    ByteArray<16> sgx_components;
    std::uint16_t pce_svn;
    ByteArray<16> tdx_components;  ///< zero in an SGX document
    Time date;
    TcbStatus status;
    std::vector<std::string> advisory_ids;
};

/// A level of a TDX module's or an enclave's ISVSVN.
struct IsvLevel {
    std::uint16_t isv_svn;
    Time date;
    TcbStatus status;
    std::vector<std::string> advisory_ids;
};

struct TdxModule {
    ByteArray<48> mr_signer;
    ByteArray<8> attributes, attributes_mask;
};

struct TdxModuleIdentity {
    std::string id;  ///< "TDX_03", upper case
    TdxModule module;
    std::vector<IsvLevel> levels;  ///< newest first
};

struct TcbInfo {
    bool tdx;         ///< else SGX
    Window validity;  ///< issueDate to nextUpdate
    ByteArray<6> fmspc;
    ByteArray<2> pce_id;
    std::uint32_t evaluation_data_number;
    std::optional<TdxModule> module;  ///< TDX only
    std::vector<TdxModuleIdentity> module_identities;
    std::vector<TcbLevel> levels;  ///< newest first
};

/// Parses the signed text. Errc::tcb_info_malformed, Errc::tcb_info_version.
[[nodiscard]] Result<TcbInfo> parse_tcb_info(std::string_view text);

}  // namespace attestd
