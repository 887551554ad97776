// A TDX guest: quotes of version 4 under its own Intel-like hierarchy, and a boot event log that
// replays to the registers until a control request sets one.
#pragma once

#include "tests/emulator/machine.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/support/forge/quote_forge.h"

namespace attestd::devsim {

class TdxMachine final : public Machine {
 public:
    [[nodiscard]] static Result<std::unique_ptr<Machine>> create(const Options& options,
                                                                 const Fd& dir);

    [[nodiscard]] Tee tee() const noexcept override { return Tee::tdx; }
    [[nodiscard]] Result<Bytes> derive_key(const DerivedKeyRequest& request) const override;
    [[nodiscard]] Result<Bytes> tdreport(const ReportData& report_data) const override;
    [[nodiscard]] Bytes boot_log() const override;
    [[nodiscard]] Result<void> extend(std::size_t rtmr, const ByteArray<48>& digest) override;
    [[nodiscard]] bool debug() const noexcept override;
    [[nodiscard]] std::string tcb() const override { return tcb_; }
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> registers() const override;

 private:
    TdxMachine(forge::IntelHierarchy intel, const forge::PckFields& machine);
    [[nodiscard]] MachineEvidence sign(const ReportData& report_data,
                                       std::uint32_t vmpl) const override;
    [[nodiscard]] Result<void> check(const Control& control) const override;
    [[nodiscard]] Result<void> set(const Control& control) override;
    void set_debug(bool debug) noexcept;
    void set_tcb(const std::string& name);

    forge::IntelHierarchy intel_;
    forge::PckFields identity_;  ///< as at TCB "current"
    std::string tcb_ = "current";
    forge::QuoteSpec quote_;
    forge::TdBody body_;
    Bytes pck_;  ///< for the present TCB
    std::vector<forge::LogEvent> events_;
    bool has_fixed_log_ = false;
    Bytes collateral_;
};

}  // namespace attestd::devsim
