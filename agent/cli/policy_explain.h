// attestctl policy explain: why a process may or may not have a secret.
#pragma once

#include "agent/cli/command.h"

namespace attestd::cli {

void add_policy_explain(CLI::App& policy, Action& chosen);

}  // namespace attestd::cli
