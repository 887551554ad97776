// Words for fields: what a person needs to know about a value that a machine made.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace attestd::cli {

/// One clause about the field of this name; empty when the name says it all.
[[nodiscard]] std::string_view meaning_of(std::string_view field) noexcept;

/// The set bits of a known bit field by name ("SEPT_VE_DISABLE, PERFMON"), for values as they stand
/// in `fields`; empty for other fields.
[[nodiscard]] std::string flags_of(std::string_view field, std::string_view value);

enum class Colour : std::uint8_t { off, on };

/// On when standard output is a terminal and NO_COLOR is not set.
[[nodiscard]] Colour output_colour();

/// A tree of labels, values and meanings for a terminal, two blanks a level.
[[nodiscard]] std::string render_tree(const nlohmann::ordered_json& value, Colour colour);

}  // namespace attestd::cli
