// The secrets that an answer of the daemon lists, for people.
#pragma once

#include <string>

#include "agent/cli/command.h"
#include "quote/base/json.h"

namespace attestd::cli {

/// A line for each element of the member "secrets": {"name", "version"}. At most `max_len` of them;
/// errors of JSON.
[[nodiscard]] Outcome<std::string> secret_lines(JsonObject& answer, std::size_t max_len);

}  // namespace attestd::cli
