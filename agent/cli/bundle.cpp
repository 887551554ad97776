// attestctl bundle: evidence and all that its verification needs, in one file.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "agent/cli/azure_input.h"
#include "agent/cli/command.h"
#include "agent/cli/event_logs.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/evidence_input.h"
#include "agent/cli/network_options.h"
#include "agent/cli/output.h"
#include "agent/collateral/bundle.h"
#include "verifier/verifier.h"

namespace attestd::cli {
namespace {

constexpr unsigned kBundleMode = 0644;  // evidence is not secret

struct BundleOptions {
    std::string file, output, at;
    std::vector<std::string> endorsements, trust_anchors, event_logs;
    AzureOptions azure;
    NetworkOptions network;
    bool fetch = false;
};

// What would be undecided offline is not a bundle: the first absence says what to add.
Outcome<int> check_complete(const AttestationResult& result) {
    if (result.verdict() != Verdict::undecided) return 0;
    for (const Finding& finding : result.findings()) {
        if (finding.severity != Severity::error) continue;
        return tl::make_unexpected(
            Failure({Errc::bundle_malformed, fmt::format("not written, for it would not verify "
                                                         "offline: {}: {}; give it with "
                                                         "--endorsements, or --fetch",
                                                         finding.id, finding.detail)},
                    exit_status::undecided));
    }
    return 0;
}

Outcome<int> run_bundle(const BundleOptions& options) {
    const auto now = parse_time_option(options.at);
    if (!now) return wrong_usage(now.error());
    ATTESTD_TRY(EvidenceInput input,
                read_evidence_input(options.file, options.endorsements, options.trust_anchors));
    ATTESTD_TRY(input.event_log, read_event_logs(options.event_logs, std::move(input.event_log)));
    ATTESTD_CHECK(add_azure_quotes(input, options.azure));
    if (options.fetch) ATTESTD_CHECK(fetch_what_is_needed(input, options.network));
    Expectations expected;
    expected.event_log = input.event_log;
    const AttestationResult result = appraise(input, {}, expected, *now);
    ATTESTD_CHECK(check_complete(result));
    if (input.azure) input.evidence = to_bytes(as_bytes(write_azure_evidence(*input.azure)));
    const Bundle bundle{std::move(input.evidence), std::move(input.event_log),
                        std::move(input.files)};
    const std::string text = write_bundle(bundle);
    ATTESTD_CHECK(write_file(options.output, as_bytes(text), kBundleMode));
    ATTESTD_CHECK(print(fmt::format(
        "{}: {} with {} endorsements; {} by the baseline as of {}\n", printable(options.output),
        result.format(), bundle.endorsements.size(),
        result.verdict() == Verdict::accepted ? "accepted" : "refused", to_rfc3339(*now))));
    return exit_status::done;
}

}  // namespace

void add_bundle_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<BundleOptions>();
    CLI::App* const command =
        app.add_subcommand("bundle", "Put evidence and all that verifying it needs in one file");
    command->add_option("FILE", options->file, "evidence, or - for standard input")->required();
    command->add_option("--endorsements", options->endorsements,
                        "certificates, revocation lists, collateral: file or folder; repeatable");
    add_azure_options(*command, options->azure);
    command->add_option("--event-log", options->event_logs,
                        "the event log that belongs to it; repeatable: the boot log first");
    command->add_option("--trust-anchor", options->trust_anchors,
                        "a further root certificate; repeatable");
    command->add_option("--at", options->at, "the time to check completeness at (now)");
    command->add_flag("--fetch", options->fetch, "fetch endorsements that are not given");
    add_network_options(*command, options->network);
    command->add_option("-o,--output", options->output, "the file to write")->required();
    command->callback([options, &chosen] { chosen = [options] { return run_bundle(*options); }; });
}

}  // namespace attestd::cli
