// The genuine cases that are mutated: forged ones always, recorded ones where they are to be had.
#pragma once

#include <string>
#include <vector>

#include "tests/mutation/campaign.h"

namespace attestd::mutation {

/// A case and the parts of it to mutate.
struct Job {
    Case genuine;
    std::vector<Target> targets;
};

struct Jobs {
    std::vector<Job> all;
    std::vector<std::string> absent;  ///< groups of recorded cases that this machine does not have
};

[[nodiscard]] Jobs forged_jobs();
/// Every recorded case whose cryptography holds, whatever policy says of it.
[[nodiscard]] Jobs recorded_jobs();

}  // namespace attestd::mutation
