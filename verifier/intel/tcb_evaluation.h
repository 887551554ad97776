// TCB level selection and convergence (`spec/tdx.md` sections 6.1 to 6.3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quote/intel/pck_extension.h"
#include "quote/intel/quote.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/tcb_info.h"
#include "verifier/result.h"

namespace attestd {

/// What the collateral says about one set of SVNs.
struct TcbEvaluation {
    TcbStatus status;  ///< of platform, module and quoting enclave together
    TcbStatus platform, qe;
    std::optional<TcbStatus> module;        ///< TDX with a module version above 0
    Time date;                              ///< earliest of the parts'
    std::vector<std::string> advisory_ids;  ///< union of the parts', sorted
    /// When a part is out of date: the day since which a level would have been acceptable in its
    /// place, earliest of the parts. Empty when no such level exists or nothing is out of date.
    std::optional<Time> fell_behind;
};

/// The terminal judgement on a quote.
struct TcbJudgement {
    TcbStatus status;
    TcbEvaluation launch;                  ///< by TEE_TCB_SVN, or the SGX components alone
    std::optional<TcbEvaluation> current;  ///< by TEE_TCB_SVN2, bodies 1.5 and later
};

/// Checks MRSIGNERSEAM and SEAMATTRIBUTES against the identity of the module with `tee_tcb_svn` (6,
/// step 8). Errc::tdx_module_unknown, Errc::tdx_module_mismatch.
[[nodiscard]] Result<void> match_tdx_module(const TdReport& report,
                                            const ByteArray<16>& tee_tcb_svn, const TcbInfo& info);

/// Judges the quote's SVNs. Errc::tcb_not_supported when no level fits.
[[nodiscard]] Result<TcbJudgement> judge_tcb(const IntelQuote& quote, std::uint16_t qe_isv_svn,
                                             const PckExtension& pck, const TcbInfo& info,
                                             const EnclaveIdentity& qe_identity);

/// The judgement in the form of a result.
[[nodiscard]] IntelTcb to_intel_tcb(const TcbJudgement& judgement);

}  // namespace attestd
