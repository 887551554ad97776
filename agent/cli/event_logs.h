// Event logs as commands take them: a boot log, and logs of what was measured since.
#pragma once

#include <string>
#include <vector>

#include "agent/cli/command.h"
#include "quote/base/bytes.h"

namespace attestd::cli {

/// One log of the events of `first` (which may be empty) and then of each file. A file that is no
/// log passes as it is when it is the only one: whoever judges it says what is wrong. Wrong usage
/// for files that cannot be read or do not go together.
[[nodiscard]] Outcome<Bytes> read_event_logs(const std::vector<std::string>& files,
                                             Bytes first = {});

}  // namespace attestd::cli
