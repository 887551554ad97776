// An SEV-SNP guest: reports under its own AMD-like hierarchy, the certificate table that its host
// would hand over, and the firmware's derived keys.
#pragma once

#include "tests/emulator/machine.h"
#include "tests/support/forge/report_forge.h"

namespace attestd::devsim {

class SnpMachine final : public Machine {
 public:
    [[nodiscard]] static Result<std::unique_ptr<Machine>> create(const Options& options,
                                                                 const Fd& dir);

    [[nodiscard]] Tee tee() const noexcept override { return Tee::snp; }
    [[nodiscard]] Result<Bytes> derive_key(const DerivedKeyRequest& request) const override;
    [[nodiscard]] bool debug() const noexcept override;
    [[nodiscard]] std::string tcb() const override;
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> registers() const override;

 private:
    SnpMachine(forge::AmdHierarchy amd, Bytes chip_secret, Fd dir);
    [[nodiscard]] MachineEvidence sign(const ReportData& report_data,
                                       std::uint32_t vmpl) const override;
    [[nodiscard]] Result<void> check(const Control& control) const override;
    [[nodiscard]] Result<void> set(const Control& control) override;
    void set_debug(bool debug) noexcept;
    /// Makes a VCEK for this TCB and writes it to the folder.
    [[nodiscard]] Result<void> set_tcb(const ByteArray<8>& tcb);
    [[nodiscard]] std::optional<ByteArray<8>> tcb_named(const std::string& name) const;

    forge::AmdHierarchy amd_;
    Bytes chip_secret_;
    Fd dir_;
    forge::SnpFields fields_;
    Bytes ark_, ask_, vcek_;
};

}  // namespace attestd::devsim
