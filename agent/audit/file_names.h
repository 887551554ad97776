// How the files of one audit chain are called: the one that grows, and those that were set aside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "quote/base/result.h"

namespace attestd {

/// Where the file at `path` goes when the next record would be number `next_seq`: names sort in the
/// order of their records.
[[nodiscard]] std::filesystem::path set_aside_path(const std::filesystem::path& path,
                                                   std::uint64_t next_seq);

/// The number that set_aside_path() gave a file: its last record is the one before. nullopt for
/// other names.
[[nodiscard]] std::optional<std::uint64_t> number_after(const std::filesystem::path& set_aside);

/// All files that were set aside from `path`, oldest first. Errors of reading its folder.
[[nodiscard]] Result<std::vector<std::filesystem::path>> files_set_aside(
    const std::filesystem::path& path);

}  // namespace attestd
