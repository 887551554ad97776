// TdxGuest: what /dev/tdx_guest and the kernel's measurement files give without a quote service
// (`spec/guest-interfaces.md` sections 3 and 6).
//
// A TDREPORT is authenticated for this machine alone: fit for looking at the registers, never
// evidence. A quote needs the host's quote service, by configfs-tsm or vsock; the second is a later
// change, and collect() says so.
#pragma once

#include "quote/platform/platform.h"
#include "quote/platform/system.h"

namespace attestd {

inline constexpr const char* kTdxGuestDevice = "/dev/tdx_guest";

class TdxGuest final : public Platform {
 public:
    /// `system` outlives the object.
    explicit TdxGuest(System& system) : system_(system) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "tdx_guest"; }

    /// Errc::platform_unsupported.
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Deadline deadline) override;
    /// Errc::platform_unsupported.
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request,
                                            Deadline deadline) override;

    /// The 1024 bytes of TDREPORT0 over `report_data`. Errc::not_found without the device,
    /// Errc::access_denied, Errc::platform_failed, Errc::platform_wrong_echo.
    [[nodiscard]] Result<Bytes> tdreport(const ReportData& report_data);

 private:
    System& system_;
};

using RtmrValue = ByteArray<48>;

struct RtmrChange {
    RtmrValue before, after;
};

/// The present value of RTMR 0 to 3. Errc::platform_unsupported where the kernel has no such files
/// (before Linux 6.16); Errc::bad_value, Errc::access_denied, Errc::platform_failed.
[[nodiscard]] Result<RtmrValue> read_rtmr(System& system, unsigned index);

/// Extends RTMR 3, or 2, with `digest`; there is no undo. 0 and 1 are firmware's: Errc::bad_value.
/// The register is read before and after: when it is not SHA-384(before || digest) afterwards,
/// somebody extended it in between, and Errc::platform_failed says to read the logs again.
[[nodiscard]] Result<RtmrChange> extend_rtmr(System& system, unsigned index,
                                             const RtmrValue& digest);

}  // namespace attestd
