// TdxGuest: evidence by way of /dev/tdx_guest and the host's quote service, for kernels without
// configfs-tsm; and the kernel's measurement files (`spec/guest-interfaces.md` sections 3, 4, 6).
//
// A TDREPORT is authenticated for this machine alone: fit for looking at the registers, never
// evidence. The quote service makes a quote of it; this module opens no connection, so whoever
// makes the platform says how one message gets there and back.
#pragma once

#include <functional>
#include <optional>

#include "quote/platform/platform.h"
#include "quote/platform/system.h"

namespace attestd {

inline constexpr const char* kTdxGuestDevice = "/dev/tdx_guest";
inline constexpr std::uint32_t kTdxGetReport0 = 0xc4405401;  ///< _IOWR('T', 1, 64 + 1024 bytes)
/// The registers' files (Linux 6.16).
inline constexpr const char* kTdxMeasurements = "/sys/devices/virtual/misc/tdx_guest/measurements";

/// Carries one message to the quote service and its answer back, without the lengths before them,
/// by the deadline. Errc::fetch_* for what prevents it.
using QuoteExchange = std::function<Result<Bytes>(ByteView message, Deadline deadline)>;

class TdxGuest final : public Platform {
 public:
    /// `system` outlives the object. Without `exchange` there is no evidence to be had.
    explicit TdxGuest(System& system, QuoteExchange exchange = {})
        : system_(system), exchange_(std::move(exchange)) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "tdx_guest"; }

    /// A quote that says what the device's TDREPORT says (QuoteOfReport), and firmware's event log.
    /// Errc::platform_unsupported without a quote service; as tdreport(), the exchange, and
    /// Errc::quote_service for what the service answers.
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
    QuoteExchange exchange_;
};

inline constexpr const char* kQuoteServiceFile = "/etc/tdx-attest.conf";

/// The quote service's vsock port in /etc/tdx-attest.conf: the last `port = N` there. Nothing
/// without the file, and when what it has is no port.
[[nodiscard]] std::optional<std::uint32_t> quote_service_port(System& system);

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
