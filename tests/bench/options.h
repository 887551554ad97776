// What attestd-bench was asked for, and the registration of each group of benchmarks.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "quote/base/time.h"

namespace attestd::bench {

/// Evidence to run on instead of forged evidence.
struct Options {
    std::filesystem::path quote, report;  ///< empty: forged
    std::vector<std::filesystem::path> endorsements;
    std::optional<Time> at;
    std::filesystem::path attestd, devsim;  ///< programs of the same build, unless given
};

void register_crypto_floor();
void register_http_floor();
void register_verifier(const Options& options);
void register_release(const Options& options);
/// Ends the daemon that the release benchmarks share, if they ran.
void stop_agent();

}  // namespace attestd::bench
