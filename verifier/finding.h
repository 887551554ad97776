// Finding: one thing that an appraisal has to say, with an id that programs rely on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quote/base/result.h"
#include "quote/platform/evidence.h"

namespace attestd {

enum class Severity : std::uint8_t {
    info,     ///< worth knowing
    warning,  ///< accepted, but someone should look (an unpinned reference value)
    error,    ///< denies
};

[[nodiscard]] constexpr std::string_view severity_name(Severity s) noexcept {
    return s == Severity::error ? "error" : s == Severity::warning ? "warning" : "info";
}

struct Finding {
    std::string id;  ///< `<tee>.<step>.<name>`, stable
    Severity severity;
    std::string detail;  ///< the offending value, and what would mend it
};

using Findings = std::vector<Finding>;

/// The finding for a step that failed: its id is the TEE and the error's name ("tdx.crl.expired").
[[nodiscard]] Finding finding_of(Tee tee, const Error& error);

}  // namespace attestd
