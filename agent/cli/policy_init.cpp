// attestctl policy init: an appraisal policy from evidence that is known to be good.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>

#include "agent/cli/command.h"
#include "agent/cli/event_logs.h"
#include "agent/cli/evidence_input.h"
#include "agent/cli/output.h"
#include "agent/cli/policy_draft.h"
#include "agent/cli/policy_init.h"
#include "quote/amd/leaf_extension.h"
#include "verifier/amd/report_verification.h"
#include "verifier/verifier.h"

namespace attestd::cli {
namespace {

struct InitOptions {
    std::string evidence, output, at;
    std::vector<std::string> endorsements, trust_anchors, event_logs;
};

// The CSP id of the VLEK whose key signed the report, of those given.
std::optional<std::string> csp_id_of(const EvidenceInput& input) {
    const auto report = parse_snp_report(input.evidence);
    if (!report || report->report.signing_key != SnpSigningKey::vlek) return std::nullopt;
    for (const Certificate& certificate : input.endorsements.certificates()) {
        const auto extension = parse_amd_leaf_extension(certificate);
        if (!extension || !*extension || (*extension)->is_vcek()) continue;
        const auto key = certificate.key();
        if (key && verify_report_signature(*report, *key)) return std::string((*extension)->csp_id);
    }
    return std::nullopt;
}

// What a draft can come from: evidence whose own statements are known. Unreadable evidence is wrong
// usage; evidence that is proven bad is refused, because pinning what it says would make it good.
Outcome<int> check_usable(const AttestationResult& result, const std::string& file) {
    if (!std::holds_alternative<std::monostate>(result.claims())) return exit_status::done;
    const auto& why = result.findings().front();
    const std::string text = fmt::format("{}: {}: {}", file, why.id, why.detail);
    if (why.id.ends_with(".quote.malformed") || why.id.ends_with(".report.malformed"))
        return wrong_usage({Errc::unknown_format, text});
    return tl::make_unexpected(
        Failure({Errc::not_affirming, text + "; a policy is drafted from good evidence alone"},
                exit_status::refused));
}

// Says on standard error how the evidence itself fares under the draft.
Outcome<int> check_draft(const PolicyDraft& draft, const EvidenceInput& input,
                         const Expectations& expected, Time now) {
    const auto policy = parse_appraisal_policy(draft.text, "draft", PolicyStrictness::strict);
    if (!policy) return tl::make_unexpected(Failure({Errc::internal, policy.error().detail}));
    for (const std::string& what : draft.left_refused) print_warning("left refused: " + what);
    const AttestationResult result =
        LocalVerifier(input.anchors)
            .appraise(input.evidence, input.endorsements, *policy, expected, now);
    if (result.verdict() == Verdict::undecided)
        print_warning("not verified in full: endorsements are missing, and the draft says which");
    for (const Finding& finding : result.findings()) {
        if (finding.severity == Severity::error && !finding.id.ends_with(".missing"))
            print_warning(fmt::format("this evidence is refused under the draft: {}: {}",
                                      finding.id, finding.detail));
    }
    return exit_status::done;
}

Outcome<int> run_init(const InitOptions& options) {
    auto now = parse_time_option(options.at);
    if (!now) return wrong_usage(std::move(now).error());
    ATTESTD_TRY(EvidenceInput input,
                read_evidence_input(options.evidence, options.endorsements, options.trust_anchors));
    if (input.azure) {
        return wrong_usage({Errc::bad_usage,
                            "--from-evidence: no policy is drafted from a paravisor's blob; write "
                            "its \"azure\" member from the claims of attestctl verify --json"});
    }
    Expectations expected;
    ATTESTD_TRY(expected.event_log,
                read_event_logs(options.event_logs, std::move(input.event_log)));
    // A masked chip id is a matter of policy: the draft says so.
    AppraisalPolicy learning;
    learning.snp.allow_masked_chip_id = true;
    const AttestationResult result =
        LocalVerifier(input.anchors)
            .appraise(input.evidence, input.endorsements, learning, expected, *now);
    ATTESTD_CHECK(check_usable(result, options.evidence));
    const PolicyDraft draft = draft_policy(result, csp_id_of(input), options.evidence);
    ATTESTD_CHECK(check_draft(draft, input, expected, *now));
    if (options.output.empty()) {
        ATTESTD_CHECK(print(draft.text));
        return exit_status::done;
    }
    if (auto written = write_new_file(options.output, as_bytes(draft.text), 0644); !written)
        return wrong_usage(std::move(written).error());
    return exit_status::done;
}

}  // namespace

void add_policy_init(CLI::App& policy, Action& chosen) {
    const auto options = std::make_shared<InitOptions>();
    CLI::App* const init = policy.add_subcommand(
        "init", "Draft an appraisal policy that pins what good evidence shows");
    init->add_option("--from-evidence", options->evidence,
                     "a quote, report or bundle, or - for standard input")
        ->required();
    init->add_option("--endorsements", options->endorsements,
                     "what to verify it with: file or folder; repeatable");
    init->add_option("--trust-anchor", options->trust_anchors,
                     "a further root certificate; repeatable");
    init->add_option("--event-log", options->event_logs,
                     "the event log that belongs to it: what it explains is pinned too; "
                     "repeatable");
    init->add_option("--at", options->at,
                     "the time to judge at: RFC 3339, or @ and seconds since 1970 (now)");
    init->add_option("-o,--output", options->output,
                     "a new file to write the policy to (standard output)");
    init->callback([options, &chosen] { chosen = [options] { return run_init(*options); }; });
}

}  // namespace attestd::cli
