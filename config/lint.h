// Lint: a configuration that loads, and yet says something that nobody can have meant, or that lets
// in more than it seems to. Nothing here is refused; `attestctl policy check` tells it.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace attestd {

struct LintFinding {
    std::string id;      ///< stable: "secret.nobody", ...
    std::string where;   ///< "secrets.db/password", "workloads.app.match[0]"
    std::string detail;  ///< what it means, and what mends it
};

/// In the order of the configuration's members.
[[nodiscard]] std::vector<LintFinding> lint(const Config& config);

}  // namespace attestd
