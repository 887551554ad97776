// GuestLogPlatform: a platform whose evidence carries what was measured since the boot, behind the
// log of firmware and boot loader.
//
// The log is a hint like the endorsements beside it: it proves nothing until its replay gives the
// registers of verified evidence.
#pragma once

#include "agent/events/runtime_events.h"
#include "quote/platform/platform.h"

namespace attestd {

class GuestLogPlatform final : public Platform {
 public:
    /// All outlive the object; calls are made on the thread of `events`.
    GuestLogPlatform(Platform& inner, System& system, RuntimeEvents& events)
        : inner_(inner), system_(system), events_(events) {}

    [[nodiscard]] std::string_view name() const noexcept override { return inner_.name(); }
    /// As the inner platform. A boot log that came with the evidence is kept; of a TDX guest
    /// without one it is read. Run-time events follow where there is a boot log. Evidence of a vTPM
    /// stays as it is.
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Deadline deadline) override;
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request,
                                            Deadline deadline) override {
        return inner_.derive_key(request, deadline);
    }
    [[nodiscard]] bool has_vtpm() const noexcept override { return inner_.has_vtpm(); }
    [[nodiscard]] Result<Secret> derive_vtpm_key(const VtpmKeyRequest& request,
                                                 Deadline deadline) override {
        return inner_.derive_vtpm_key(request, deadline);
    }

 private:
    void add_log(Evidence& evidence);

    Platform& inner_;
    System& system_;
    RuntimeEvents& events_;
};

}  // namespace attestd
