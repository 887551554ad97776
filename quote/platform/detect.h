// detect(): what kind of confidential VM this looks like, and which way it has to evidence
// (`spec/guest-interfaces.md` section 9).
//
// Hints choose a code path and nothing else: the host can forge every one of them, and only a
// verified quote proves anything. Signals that contradict each other are shown and not weighed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quote/platform/cpuid.h"
#include "quote/platform/evidence.h"
#include "quote/platform/system.h"

namespace attestd {

enum class GuestInterface : std::uint8_t {
    none,
    configfs_tsm,
    sev_guest,
    tdx_guest,
    azure_vtpm,  ///< by attestd-azure-vtpm: no interface of the kernel's
};

[[nodiscard]] std::string_view interface_name(GuestInterface interface) noexcept;

/// One thing that was looked at.
struct Signal {
    std::string name;   ///< "cpuid.tdx", "configfs_tsm", "/dev/sev-guest", ...
    std::string found;  ///< in words
    std::optional<Tee> says;
    bool is_usable = false;  ///< an interface that gives evidence, or would with its quote service
    std::string mend = {};   ///< what would make it usable; empty when nothing is wrong
};

struct Detection {
    std::vector<Signal> signals;
    std::optional<Tee> tee;  ///< what the signals say, when they agree
    bool contradictory = false;
    /// The host's quote service, as /etc/tdx-attest.conf has it; looked for when `use` is
    /// tdx_guest.
    std::optional<std::uint32_t> quote_service_port;
    GuestInterface use = GuestInterface::none;
    std::string why;

    [[nodiscard]] const Signal* find(std::string_view name) const noexcept;
};

/// Looks, and changes nothing but one report entry that it makes and removes at once.
[[nodiscard]] Detection detect(System& system, const Cpuid& cpuid);

}  // namespace attestd
