// The command that attestctl deliver runs after a change: words, no shell, and a limited time.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/result.h"

namespace attestd::cli {

/// The words of `command`, split at blanks; there is no quoting. Errc::bad_usage when there is
/// none.
[[nodiscard]] Result<std::vector<std::string>> words_of_command(std::string_view command);

/// Runs the program `words` names (looked for in PATH) with this process' environment, nothing on
/// standard input and no other descriptor. Errc::delivery_command when it does not start, does not
/// end within `patience` (it is killed then), or ends with another status than 0.
[[nodiscard]] Result<void> run_command(const std::vector<std::string>& words,
                                       std::chrono::milliseconds patience);

}  // namespace attestd::cli
