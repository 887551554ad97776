// attestctl verify: judges evidence, offline, and says why.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/azure_input.h"
#include "agent/cli/command.h"
#include "agent/cli/event_logs.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/evidence_input.h"
#include "agent/cli/explain.h"
#include "agent/cli/html/page.h"
#include "agent/cli/network_options.h"
#include "agent/cli/output.h"
#include "quote/base/encoding.h"
#include "verifier/claims_json.h"
#include "verifier/verifier.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxReportDataLen = 64, kMaxVtpmNonceLen = 48;

struct VerifyOptions {
    std::string file;
    std::vector<std::string> endorsements, trust_anchors, event_logs;
    std::string at, policy, report_data, service_manifest, html;
    AzureOptions azure;
    NetworkOptions network;
    bool fetch = false, json = false;
};

// Shorter values are padded with zero bytes on the right, as the devices do; a vTPM signs them as
// they are, and of what is too long for it a digest (vtpm_nonce()).
Result<Expectations> parse_report_data(const std::string& hex) {
    Expectations out;
    if (hex.empty()) return out;
    ATTESTD_TRY(Bytes bytes, from_hex(hex, "--report-data"));
    if (bytes.size() > kMaxReportDataLen)
        return fail(Errc::bad_usage, "--report-data: over 64 bytes");
    std::copy(bytes.begin(), bytes.end(), out.report_data.emplace().begin());
    if (bytes.size() <= kMaxVtpmNonceLen) out.nonce = std::move(bytes);
    return out;
}

Outcome<Expectations> read_expectations(const VerifyOptions& options) {
    auto out = parse_report_data(options.report_data);
    if (!out) return wrong_usage(std::move(out).error());
    if (options.service_manifest.empty()) return *std::move(out);
    if (!out->report_data) {
        return wrong_usage({Errc::bad_usage,
                            "--service-manifest goes with --report-data: the report binds both "
                            "together"});
    }
    ATTESTD_TRY(out->service_manifest, read_bytes(options.service_manifest));
    return *std::move(out);
}

Outcome<AppraisalPolicy> read_policy(const std::string& path) {
    if (path.empty()) return AppraisalPolicy{};
    ATTESTD_TRY(const Bytes bytes, read_bytes(path));
    auto policy = parse_appraisal_policy(as_text(bytes), path, PolicyStrictness::lenient);
    if (!policy) return wrong_usage(std::move(policy).error());
    return *std::move(policy);
}

int status_of(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::accepted:
            return exit_status::done;
        case Verdict::undecided:
            return exit_status::undecided;
        case Verdict::refused:
            break;
    }
    return exit_status::refused;
}

std::string paint(std::string_view code, std::string_view text) {
    if (output_colour() == Colour::off) return std::string(text);
    return fmt::format("\033[{}m{}\033[0m", code, text);
}

std::string verdict_text(const AttestationResult& result) {
    switch (result.verdict()) {
        case Verdict::accepted:
            return paint("1;32", "accepted");
        case Verdict::undecided:
            return paint("1;33", "undecided: an endorsement is missing");
        case Verdict::refused:
            break;
    }
    return paint("1;31", "refused");
}

std::string human_text(const AttestationResult& result, const std::string& file) {
    std::string out = fmt::format("{}  {}, as of {}\n{}", result.format(), printable(file),
                                  to_rfc3339(result.verified_at()), verdict_text(result));
    if (result.valid_until()) {
        out += fmt::format(", {} grade, valid until {}", grade_name(result.grade()),
                           to_rfc3339(*result.valid_until()));
    }
    out += '\n';
    for (const Finding& finding : result.findings()) {
        const std::string_view code = finding.severity == Severity::error     ? "31"
                                      : finding.severity == Severity::warning ? "33"
                                                                              : "2";
        out += fmt::format("  {}  {}\n      {}\n",
                           paint(code, fmt::format("{:<7}", severity_name(finding.severity))),
                           finding.id, printable(finding.detail));
    }
    nlohmann::ordered_json shown = to_json(result);
    out += "tcb\n" + render_tree(shown["tcb"], output_colour());
    if (!shown["claims"].empty()) out += "claims\n" + render_tree(shown["claims"], output_colour());
    return out;
}

// What does not parse has a page too: its findings say why.
Result<void> write_verified_page(const VerifyOptions& options, const EvidenceInput& input,
                                 const AttestationResult& result) {
    auto shown = inspect_bytes(input.evidence, input.endorsements);
    if (!shown) shown = Inspection{result.format(), nlohmann::ordered_json::object(), {}};
    ATTESTD_CHECK(write_page(options.html,
                             {options.file, input.evidence, *shown, &input.endorsements, &result}));
    if (options.html == "-") return {};
    return print(fmt::format("{}: {}\n", printable(options.html), verdict_text(result)));
}

Outcome<int> run_verify(const VerifyOptions& options) {
    auto now = parse_time_option(options.at);
    if (!now) return wrong_usage(std::move(now).error());
    ATTESTD_TRY(Expectations expected, read_expectations(options));
    ATTESTD_TRY(const AppraisalPolicy policy, read_policy(options.policy));
    ATTESTD_TRY(EvidenceInput input,
                read_evidence_input(options.file, options.endorsements, options.trust_anchors));
    ATTESTD_CHECK(add_azure_quotes(input, options.azure));
    if (expected.report_data && !expected.service_manifest && !input.service_manifest.empty())
        expected.service_manifest = std::move(input.service_manifest);
    ATTESTD_TRY(expected.event_log,
                read_event_logs(options.event_logs, std::move(input.event_log)));
    if (options.fetch) {
        ATTESTD_CHECK(fetch_what_is_needed(input, options.network));
    }
    const AttestationResult result = appraise(input, policy, expected, *now);
    if (!options.html.empty()) {
        ATTESTD_CHECK(write_verified_page(options, input, result));
        return status_of(result.verdict());
    }
    ATTESTD_CHECK(
        print(options.json ? to_json(result).dump() + "\n" : human_text(result, options.file)));
    return status_of(result.verdict());
}

}  // namespace

void add_verify_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<VerifyOptions>();
    CLI::App* const command = app.add_subcommand(
        "verify", "Judge evidence: 0 accepted, 1 refused, 3 an endorsement is missing");
    command
        ->add_option("FILE", options->file,
                     "evidence, or - for standard input: raw, hexadecimal or base64; a "
                     "paravisor's blob or a key broker's JSON around it; a bundle; or what "
                     "attestctl quote --json prints")
        ->required();
    command->add_option("--endorsements", options->endorsements,
                        "certificates, revocation lists, collateral: file or folder; repeatable");
    command->add_option(
        "--trust-anchor", options->trust_anchors,
        "a further root certificate; results that rest on it are test grade; repeatable");
    command->add_option("--at", options->at,
                        "the time to judge at: RFC 3339, or @ and seconds since 1970 (now)");
    command->add_option("--policy", options->policy, "an appraisal policy (the baseline)");
    command->add_option("--report-data", options->report_data,
                        "report data to demand, hexadecimal, padded with zeros to 64 bytes; of a "
                        "vTPM up to 48 bytes are the nonce, as they are");
    command->add_option("--service-manifest", options->service_manifest,
                        "the report was made by an SVSM and binds this manifest together with "
                        "--report-data");
    command->add_option("--event-log", options->event_logs,
                        "the event log that belongs to the evidence, to be held against its "
                        "registers; repeatable: the boot log first, then what was measured since");
    add_azure_options(*command, options->azure);
    command->add_flag("--fetch", options->fetch,
                      "fetch endorsements that are not given, and keep them for the next time");
    add_network_options(*command, options->network);
    CLI::Option* const json = command->add_flag("--json", options->json, "as JSON");
    command
        ->add_option("--html", options->html,
                     "write one self-contained page to this file; - is standard output")
        ->excludes(json);
    command->callback([options, &chosen] { chosen = [options] { return run_verify(*options); }; });
}

}  // namespace attestd::cli
