#include "agent/cli/network_options.h"

#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdlib>
#include <set>
#include <thread>

#include "agent/cli/output.h"
#include "agent/collateral/needs.h"
#include "agent/network/spawning_fetcher.h"

namespace attestd::cli {
namespace {

constexpr const char* kSystemCache = "/var/lib/attestd/collateral";

// A base address: a scheme and a host, no slash at the end.
Outcome<std::string> base_of(std::string text, std::string_view option) {
    while (text.ends_with('/')) text.pop_back();
    if (text.starts_with("https://")) return text;
    return wrong_usage(
        {Errc::bad_usage,
         fmt::format("{}: an address as https://localhost:8081 is expected", option)});
}

Outcome<ServiceAddresses> addresses_of(const NetworkOptions& options) {
    ServiceAddresses out;
    if (!options.pccs.empty()) {
        ATTESTD_TRY(std::string base, base_of(options.pccs, "--pccs"));
        out.use_pccs(std::move(base));
    }
    if (!options.kds.empty()) {
        ATTESTD_TRY(out.kds, base_of(options.kds, "--kds"));
    }
    out.update = options.update == "early" ? TcbUpdate::early : TcbUpdate::standard;
    out.evaluation_data_number = options.evaluation_data_number;
    return out;
}

}  // namespace

void add_network_options(CLI::App& command, NetworkOptions& options) {
    command.add_option("--cache", options.cache, "folder of fetched endorsements");
    command.add_option("--pccs", options.pccs,
                       "ask this caching service in place of Intel's: https://HOST:PORT");
    command.add_option("--kds", options.kds, "ask this mirror in place of AMD's: https://HOST");
    CLI::Option* const update =
        command
            .add_option("--update", options.update, "which set of TCB documents to ask Intel for")
            ->check(CLI::IsMember({"standard", "early"}));
    command
        .add_option("--tcb-evaluation-data-number", options.evaluation_data_number,
                    "ask Intel for the TCB documents of this set")
        ->excludes(update);
    command.add_option("--fetch-config", options.fetch_config,
                       "configuration of attestd-fetch: which hosts may be asked");
}

Outcome<std::filesystem::path> cache_folder(const NetworkOptions& options) {
    if (!options.cache.empty()) return std::filesystem::path(options.cache);
    if (::geteuid() == 0) return std::filesystem::path(kSystemCache);
    const char* const cache_home = std::getenv("XDG_CACHE_HOME");
    if (cache_home != nullptr && *cache_home == '/')
        return std::filesystem::path(cache_home) / "attestd" / "collateral";
    const char* const home = std::getenv("HOME");
    if (home != nullptr && *home == '/')
        return std::filesystem::path(home) / ".cache" / "attestd" / "collateral";
    return wrong_usage({Errc::bad_usage, "HOME is not set: name the folder with --cache"});
}

Outcome<std::unique_ptr<CollateralProvider>> make_provider(const NetworkOptions& options,
                                                           const TrustAnchors& anchors,
                                                           bool anchors_added) {
    ATTESTD_TRY(ServiceAddresses services, addresses_of(options));
    ATTESTD_TRY(const auto folder, cache_folder(options));
    const auto kind =
        anchors_added ? CollateralCache::Kind::test : CollateralCache::Kind::production;
    ATTESTD_TRY(CollateralCache cache, CollateralCache::open(folder, kind, anchors));
    return std::make_unique<CollateralProvider>(
        std::move(cache), std::make_shared<SpawningFetcher>(FetchProgram{{}, options.fetch_config}),
        std::move(services), anchors,
        [](std::chrono::milliseconds wait) { std::this_thread::sleep_for(wait); });
}

Outcome<int> fetch_what_is_needed(EvidenceInput& input, const NetworkOptions& options) {
    ATTESTD_TRY(const auto provider, make_provider(options, input.anchors, input.anchors_added));
    const auto deadline = std::chrono::steady_clock::now() + kServicePatience;
    std::vector<EndorsementId> asked;
    std::set<std::string> problems;  // what concerns all of them is told once
    // A quote without a chain needs that first; it says what else is needed.
    for (int round = 0; round < 2; ++round) {
        const auto needs = needed_endorsements(input.evidence, input.endorsements);
        if (!needs) {
            print_warning(fmt::format("nothing is fetched: {}", to_string(needs.error())));
            return 0;
        }
        if (*needs == asked) break;
        asked = *needs;
        const auto obtained = provider->obtain(*needs, input.endorsements, WhenToAsk::when_missing,
                                               present(), deadline);
        for (const Obtained& one : obtained) {
            if (one.cache_problem) problems.insert(to_string(*one.cache_problem));
            if (one.problem) problems.insert(to_string(*one.problem));
            if (one.bytes.empty()) continue;
            ATTESTD_CHECK(input.add(one.bytes, endorsement_file(one.id)));
        }
        if (!std::holds_alternative<PckCertificateId>(needs->front())) break;
    }
    for (const std::string& problem : problems) print_warning(problem);
    return 0;
}

}  // namespace attestd::cli
