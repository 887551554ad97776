// The recorded vectors: real evidence with known outcomes, kept beside the source tree.
//
// They are looked for at $ATTESTD_VECTORS and at ../shared/vectors next to the source tree. A test
// that needs them says so and is skipped, loudly and counted, where they are absent.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "quote/base/bytes.h"
#include "tests/support/catch.h"

namespace attestd::test {

/// The folder or file `below` of the vectors; empty when this machine does not have it.
[[nodiscard]] std::optional<std::filesystem::path> find_vectors(const std::string& below);

/// The whole file. Throws when it cannot be read: a vector that is there must be readable.
[[nodiscard]] Bytes load_file(const std::filesystem::path& path);
[[nodiscard]] std::string load_text(const std::filesystem::path& path);

}  // namespace attestd::test

/// `NEED_VECTORS(dir, "tdx");` declares `dir` as the folder of these vectors, or skips the test
/// case.
#define NEED_VECTORS(dir, below)                                          \
    const auto dir##_found = ::attestd::test::find_vectors(below);        \
    if (!dir##_found) ATTESTD_SKIP(std::string("no vectors/") + (below)); \
    const std::filesystem::path& dir = *dir##_found
