// Platform: where this machine's evidence and derived keys come from.
//
// One implementation for each interface a guest may have. Calls block, up to their deadline; the
// daemon makes them on a thread of their own, one at a time.
#pragma once

#include <chrono>
#include <string>

#include "quote/base/result.h"
#include "quote/base/secret.h"
#include "quote/platform/evidence.h"
#include "quote/platform/vtpm_key.h"

namespace attestd {

using Deadline = std::chrono::steady_clock::time_point;

/// What a derived key is bound to (SNP firmware ABI, MSG_KEY_REQ): `spec/snp.md` section 8.
struct DerivedKeyRequest {
    /// GUEST_FIELD_SELECT bits: 0 POLICY, 1 IMAGE_ID, 2 FAMILY_ID, 3 MEASUREMENT, 4 GUEST_SVN,
    /// 5 TCB_VERSION. MEASUREMENT and POLICY are always among them when a store is sealed.
    std::uint64_t guest_field_select = 0b1001;
    std::uint32_t vmpl = 0;
    std::uint32_t guest_svn = 0;
    std::uint64_t tcb_version = 0;  ///< as its eight bytes stand in the report, read little-endian
};

class Platform {
 public:
    virtual ~Platform() = default;

    /// "external", "configfs_tsm", "sev_guest", ...: as in configuration and status.
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;

    /// Evidence whose report data is `report_data`. The implementation compares what came back with
    /// what was asked (Errc::platform_wrong_echo). Errc::timed_out at the deadline,
    /// Errc::unavailable, Errc::platform_failed.
    [[nodiscard]] virtual Result<Evidence> collect(const ReportData& report_data,
                                                   Deadline deadline) = 0;

    /// 32 bytes that only this guest on this chip can obtain again. Errc::platform_unsupported
    /// where the hardware has no such thing (TDX); never all zero.
    [[nodiscard]] virtual Result<Secret> derive_key(const DerivedKeyRequest& request,
                                                    Deadline deadline) = 0;

    /// Whether keys come from a vTPM: derive_vtpm_key() then, and not derive_key().
    [[nodiscard]] virtual bool has_vtpm() const noexcept { return false; }

    /// 32 bytes that only this vTPM gives, and only while the selected PCRs hold what they hold
    /// now: another key, or Errc::vtpm_failed, once one has changed. Errc::platform_unsupported
    /// where there is no vTPM.
    [[nodiscard]] virtual Result<Secret> derive_vtpm_key(const VtpmKeyRequest& /*request*/,
                                                         Deadline /*deadline*/) {
        return fail(Errc::platform_unsupported, "this platform has no vTPM to derive keys with");
    }
};

}  // namespace attestd
