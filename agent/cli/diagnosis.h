// What a machine is, how evidence would be had from it, and what is missing for that: the findings
// of `attestctl doctor`. Looks through the same seam as the platforms, and changes nothing.
#pragma once

#include <string>
#include <vector>

#include "quote/base/time.h"
#include "quote/platform/detect.h"

namespace attestd::cli {

enum class CheckState : std::uint8_t {
    ok,
    note,     ///< worth knowing; nothing is wrong
    warning,  ///< something that one may want does not work
    missing,  ///< without it there is no evidence, or none that is believed
};

[[nodiscard]] std::string_view check_state_name(CheckState state) noexcept;

struct Check {
    std::string name;
    CheckState state;
    std::string found;
    std::string mend = {};  ///< a command or setting; empty when nothing is wrong
};

struct Diagnosis {
    Detection detection;
    std::vector<Check> checks;

    /// Whether anything says that this is a confidential VM.
    [[nodiscard]] bool is_confidential() const noexcept {
        return detection.tee.has_value() || detection.contradictory || has_paravisor;
    }
    bool has_paravisor = false;
    [[nodiscard]] bool is_good() const noexcept;
};

/// Whether this build has attestd-azure-vtpm.
enum class AzureVtpm : std::uint8_t { left_out, built };

/// `now` is what the system clock says.
[[nodiscard]] Diagnosis diagnose(System& system, const Cpuid& cpuid, Time now,
                                 AzureVtpm azure_vtpm);

}  // namespace attestd::cli
