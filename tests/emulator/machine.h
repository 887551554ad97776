// Machine: an emulated confidential VM. It has registers, a signing hierarchy of its own, and gives
// evidence and derived keys for them as hardware would.
//
// A front end (the HTTP one of `external` platforms; FUSE beside it) only translates: what the
// machine says, and how it misbehaves, is decided here. A front end holds turn() around its calls:
// they come from several threads.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quote/base/fd.h"
#include "quote/base/result.h"
#include "quote/platform/evidence.h"
#include "quote/platform/platform.h"
#include "tests/emulator/fuse/faults.h"
#include "tests/emulator/options.h"

namespace attestd::devsim {

/// How the machine fails, until told otherwise.
enum class Fault : std::uint8_t {
    none,
    timeout,            ///< requests are taken and never answered
    error,              ///< the platform refuses
    garbage,            ///< the answer is not one
    wrong_report_data,  ///< good evidence over other report data
};
[[nodiscard]] std::string_view fault_name(Fault fault) noexcept;
[[nodiscard]] std::optional<Fault> fault_named(std::string_view name) noexcept;

/// A change to the machine's state; what is not given stays.
struct Control {
    std::optional<bool> debug;
    std::optional<ByteArray<48>> measurement;          ///< MRTD, or the launch digest
    std::array<std::optional<ByteArray<48>>, 4> rtmr;  ///< TDX
    std::optional<ByteArray<48>> mrconfigid;           ///< TDX
    std::optional<ByteArray<32>> host_data;            ///< SNP
    /// "current", "outdated"; TDX also "unsupported"; SNP also a TCB_VERSION of 16 hex digits.
    std::optional<std::string> tcb;
    std::optional<bool> endorsements;  ///< whether they are handed over with the evidence
    std::optional<Fault> fault;
    std::optional<std::chrono::milliseconds> delay;
    std::optional<DeviceFaults> device;  ///< of the kernel's interfaces
};

struct MachineEvidence {
    Bytes evidence;
    std::vector<Bytes> endorsements;
    Bytes event_log;  ///< empty when there is none
};

class Machine {
 public:
    /// A machine whose keys and identity are kept in the open folder `dir`, made there when absent.
    /// Its trust anchor (root.der) and endorsements are written there anew.
    [[nodiscard]] static Result<std::unique_ptr<Machine>> create(const Options& options,
                                                                 const Fd& dir);

    virtual ~Machine() = default;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    /// Held around calls of this object.
    [[nodiscard]] std::unique_lock<std::mutex> turn() const { return std::unique_lock(turn_); }

    [[nodiscard]] virtual Tee tee() const noexcept = 0;

    /// Evidence over `report_data`, of an SNP guest at `vmpl`. Errc::platform_failed while the
    /// fault is `error`.
    [[nodiscard]] Result<MachineEvidence> evidence(ReportData report_data,
                                                   std::uint32_t vmpl = 0) const;

    /// The firmware's derived key: `spec/snp.md` section 8. Errc::platform_unsupported on TDX,
    /// Errc::platform_failed for what firmware refuses with status 0x16.
    [[nodiscard]] virtual Result<Bytes> derive_key(const DerivedKeyRequest& request) const = 0;

    /// TDX: TDREPORT0, the boot log as firmware's table holds it, and extending a register, which
    /// the next quote and the log show. Errc::platform_unsupported elsewhere.
    [[nodiscard]] virtual Result<Bytes> tdreport(const ReportData& report_data) const;
    [[nodiscard]] virtual Bytes boot_log() const { return {}; }
    [[nodiscard]] virtual Result<void> extend(std::size_t rtmr, const ByteArray<48>& digest);

    /// Applies all of `control` or, with Errc::bad_value, none of it.
    [[nodiscard]] Result<void> apply(const Control& control);

    [[nodiscard]] Fault fault() const noexcept { return fault_; }
    /// Counted down by whoever acts on them.
    [[nodiscard]] DeviceFaults& device() noexcept { return device_; }
    [[nodiscard]] std::chrono::milliseconds delay() const noexcept { return delay_; }
    [[nodiscard]] bool gives_endorsements() const noexcept { return endorsements_; }
    [[nodiscard]] virtual bool debug() const noexcept = 0;
    [[nodiscard]] virtual std::string tcb() const = 0;
    /// Names as in control requests, values in hexadecimal.
    [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> registers() const = 0;

 protected:
    Machine() = default;

 private:
    [[nodiscard]] virtual MachineEvidence sign(const ReportData& report_data,
                                               std::uint32_t vmpl) const = 0;
    /// Errc::bad_value when `control` asks for what this kind of machine does not have.
    [[nodiscard]] virtual Result<void> check(const Control& control) const = 0;
    /// Sets what check() has passed.
    [[nodiscard]] virtual Result<void> set(const Control& control) = 0;

    mutable std::mutex turn_;
    DeviceFaults device_;
    Fault fault_ = Fault::none;
    std::chrono::milliseconds delay_{0};
    bool endorsements_ = true;
};

/// What makes this machine different from every other: 32 random bytes, kept in `dir`.
[[nodiscard]] Result<Bytes> load_or_create_chip_secret(const Fd& dir);

/// HMAC-SHA-256 of `context` and `data` under the chip's secret.
[[nodiscard]] ByteArray<32> chip_hmac(ByteView chip_secret, std::string_view context,
                                      ByteView data);

}  // namespace attestd::devsim
