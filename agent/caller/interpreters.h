// Rules that name an interpreter or a loader by its digest or path: whoever may run that program
// may have it run anything (spec/workload-identity.md section 2). They load, with a warning.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/task.h"
#include "config/config.h"

namespace attestd {

/// Whether a file of this name runs other programs' text: shells, languages, the dynamic loader.
[[nodiscard]] bool is_interpreter_name(std::string_view name) noexcept;

struct InterpreterRule {
    std::string workload;
    std::filesystem::path interpreter;

    friend bool operator==(const InterpreterRule&, const InterpreterRule&) = default;
};

/// The rules of `config` that name one of the interpreters in `folders`, by content, or any by its
/// path. Reads those files; they are bounded in number and size.
[[nodiscard]] std::vector<InterpreterRule> interpreter_rules(
    const Config& config, const std::vector<std::filesystem::path>& folders);

/// Logs a warning for each, having looked for them on `strand` in the machine's usual folders.
[[nodiscard]] Task<void> warn_of_interpreters(Strand strand, std::shared_ptr<const Config> config);

}  // namespace attestd
