// Seeds and dictionary as files: what libFuzzer begins with.
#pragma once

#include <filesystem>

#include "tests/fuzz/target.h"

namespace attestd::fuzz {

/// Writes a file for each seed into the folder `dir`, made when absent, and the target's words to
/// `dir`.dict when there are any. Ends the program when it cannot.
void write_seeds(const Target& target, const Seeds& seeds, const std::filesystem::path& dir);

/// Writes one into the folder `dir`.
void write_seed(const Seed& one, const std::filesystem::path& dir);

/// The files of a folder, by name; none when it is not there.
[[nodiscard]] Seeds read_seeds(const std::filesystem::path& dir);

}  // namespace attestd::fuzz
