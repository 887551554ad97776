// attestctl policy init, for policy.cpp.
#pragma once

#include "agent/cli/command.h"

namespace attestd::cli {

void add_policy_init(CLI::App& policy, Action& chosen);

}  // namespace attestd::cli
