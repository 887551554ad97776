// Decoded fields as tables: name, value, meaning.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "agent/cli/html/html.h"

namespace attestd::cli {

/// All members of an object, groups below groups. `heading` names the top one.
void put_fields(Html& out, std::string_view heading, const nlohmann::ordered_json& object);

}  // namespace attestd::cli
