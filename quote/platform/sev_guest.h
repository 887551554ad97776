// SevGuest: reports and derived keys from /dev/sev-guest (`spec/snp.md` section 8).
//
// The driver numbers its messages and gives its key up after a failed one, which ends all reports
// until the machine restarts. So nothing here probes: every request is one that firmware takes, no
// two come within two seconds, a device that is dead is never asked again, and while one process of
// this program makes a request, the others wait (an advisory lock on the device).
#pragma once

#include <optional>
#include <string>

#include "quote/platform/platform.h"
#include "quote/platform/system.h"

namespace attestd {

inline constexpr const char* kSevGuestDevice = "/dev/sev-guest";
inline constexpr std::uint32_t kSnpGetReport = 0xc0205300;  ///< only named in errors
inline constexpr std::uint32_t kSnpGetDerivedKey = 0xc0205301, kSnpGetExtReport = 0xc0205302;

struct SevGuestOptions {
    /// VMPL of reports, 0 to 3. Not given: the guest's own, as the kernel shows it, else 0.
    std::optional<std::uint32_t> vmpl;
    /// The least time between two requests to the firmware.
    std::chrono::milliseconds interval = std::chrono::seconds(2);
};

class SevGuest final : public Platform {
 public:
    /// `system` outlives the object.
    explicit SevGuest(System& system, SevGuestOptions options = {});

    [[nodiscard]] std::string_view name() const noexcept override { return "sev_guest"; }

    /// The report, and the host's certificate table as an endorsement where it has one.
    /// Errc::not_found without the device, Errc::access_denied, Errc::platform_failed.
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Deadline deadline) override;
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request,
                                            Deadline deadline) override;

    /// Whether the driver has said that it has no key any more.
    [[nodiscard]] bool is_dead() const noexcept { return is_dead_; }

 private:
    struct Exit;
    struct Report;
    [[nodiscard]] Result<SystemFile> open_device();
    [[nodiscard]] Result<void> lock_device(const SystemFile& device, Deadline deadline);
    [[nodiscard]] Result<Report> ask_report(const ReportData& report_data, std::uint32_t certs_len,
                                            Deadline deadline);
    [[nodiscard]] Result<Exit> call(std::uint32_t command, std::span<std::uint8_t> request,
                                    std::span<std::uint8_t> response, Deadline deadline);
    [[nodiscard]] Result<void> wait_turn(Deadline deadline);
    [[nodiscard]] std::uint32_t vmpl();

    System& system_;
    SevGuestOptions options_;
    std::optional<System::Clock::time_point> last_;  ///< when the latest request ended
    bool is_dead_ = false;
};

/// "invalid parameter (0x16)": a status or firmware error in words.
[[nodiscard]] std::string sev_firmware_words(std::uint32_t error);

}  // namespace attestd
