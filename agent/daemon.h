// run_daemon(): everything put together, from start to a graceful end.
#pragma once

#include <filesystem>

#include "config/config.h"
#include "quote/base/result.h"

namespace attestd {

/// Serves until SIGTERM or SIGINT. Fails when it cannot start.
[[nodiscard]] Result<void> run_daemon(const std::filesystem::path& config_file, Config config);

/// Everything that a start would refuse, without a start: the appraisal policy, the trust anchors
/// and the endorsements that `config` names.
[[nodiscard]] Result<void> check_config(const Config& config);

}  // namespace attestd
