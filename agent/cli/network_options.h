// Options of the commands that may ask the vendors' services, and the provider that they make.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cli/command.h"
#include "agent/cli/evidence_input.h"
#include "agent/collateral/provider.h"

namespace attestd::cli {

struct NetworkOptions {
    std::string cache;      ///< folder; empty for the usual one
    std::string pccs, kds;  ///< base addresses; empty for the vendors' own
    std::string update = "standard";
    std::optional<std::uint32_t> evaluation_data_number;
    std::string fetch_config;  ///< of attestd-fetch; empty for its default
};

/// --cache, --pccs, --kds, --update, --tcb-evaluation-data-number, --fetch-config.
void add_network_options(CLI::App& command, NetworkOptions& options);

/// The folder that --cache names, or the usual one of this user.
[[nodiscard]] Outcome<std::filesystem::path> cache_folder(const NetworkOptions& options);

/// A provider that asks through an attestd-fetch of its own. Wrong usage for options that cannot be
/// used, else the errors of CollateralCache::open().
[[nodiscard]] Outcome<std::unique_ptr<CollateralProvider>> make_provider(
    const NetworkOptions& options, const TrustAnchors& anchors, bool anchors_added);

/// Obtains what `input`'s evidence needs and lacks, and adds it to the input. What a service does
/// not give is a warning on standard error.
[[nodiscard]] Outcome<int> fetch_what_is_needed(EvidenceInput& input,
                                                const NetworkOptions& options);

/// How long one command waits for services, all in all.
inline constexpr std::chrono::seconds kServicePatience{120};

}  // namespace attestd::cli
