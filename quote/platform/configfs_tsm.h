// ConfigfsTsm: evidence through the kernel's configfs-tsm, for TDX and SEV-SNP alike
// (`spec/guest-interfaces.md` section 2).
//
// Writing the request commits it when the file is closed, and the kernel tells of a refused commit
// by its generation counter alone: so the counter is read before and after, and whatever does not
// add up is thrown away. It never touches an entry that it did not make or was not handed.
#pragma once

#include <optional>
#include <string>

#include "quote/platform/platform.h"
#include "quote/platform/sev_guest.h"
#include "quote/platform/system.h"

namespace attestd {

inline constexpr const char* kTsmReportDir = "/sys/kernel/config/tsm/report";

class TsmEntry;
struct TsmTrouble;

/// Evidence made by a service at a higher privilege (an SVSM) in the guest's place.
struct TsmService {
    std::string provider;          ///< "svsm"
    std::string guid;              ///< empty: all services
    std::string manifest_version;  ///< empty: the service's default
};

struct ConfigfsTsmOptions {
    /// VMPL of the report, 0 to 3; SNP only. What lies below the guest's own is raised to it.
    std::optional<std::uint32_t> privlevel;
    std::optional<TsmService> service;
    /// Fresh entries are named by it and 32 random hex digits.
    std::string prefix = "attestd-";
    /// An entry that root handed to this process's user is used instead, one request at a time.
    std::string prepared = "attestd";
};

class ConfigfsTsm final : public Platform {
 public:
    /// `system` outlives the object.
    explicit ConfigfsTsm(System& system, ConfigfsTsmOptions options = {});

    [[nodiscard]] std::string_view name() const noexcept override { return "configfs_tsm"; }

    /// With a service, its manifest comes along; the report then carries SHA-512(report data ||
    /// manifest), which is checked here and which a verifier must recompute.
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Deadline deadline) override;
    /// configfs has no keys: SNP's come from /dev/sev-guest.
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request,
                                            Deadline deadline) override;

    /// Removes entries that a killed process of this program left: for its start, before the first
    /// request. How many there were.
    std::size_t remove_leftovers();

 private:
    template <class T>
    using Attempt = tl::expected<T, TsmTrouble>;

    [[nodiscard]] Attempt<Evidence> collect_once(const ReportData& report_data, Deadline deadline);
    [[nodiscard]] Attempt<TsmEntry> open_entry();
    [[nodiscard]] Attempt<Evidence> ask(const TsmEntry& entry, const ReportData& report_data,
                                        Deadline deadline);
    [[nodiscard]] Attempt<Evidence> read_evidence(const TsmEntry& entry, Tee tee,
                                                  Deadline deadline);
    [[nodiscard]] Attempt<Bytes> read_blob(const TsmEntry& entry, const std::string& attribute,
                                           std::size_t max_len, Deadline deadline);
    [[nodiscard]] Attempt<unsigned> write_options(const TsmEntry& entry, Tee tee) const;
    void remove_stuck();

    System& system_;
    ConfigfsTsmOptions options_;
    SevGuest keys_;
    std::vector<std::string> stuck_;  ///< entries that could not be removed yet
    bool is_dead_ = false;            ///< SNP: the driver's key is gone until the machine restarts
};

/// The boot event log that firmware left for a TDX guest, without its padding; empty where the
/// kernel shows none or not to this user.
[[nodiscard]] Bytes read_boot_event_log(System& system);

}  // namespace attestd
