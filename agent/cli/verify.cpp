// attestctl verify: judges evidence, offline, and says why.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/explain.h"
#include "agent/cli/output.h"
#include "quote/amd/snp_report.h"
#include "quote/base/encoding.h"
#include "quote/intel/quote.h"
#include "verifier/claims_json.h"
#include "verifier/verifier.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxReportDataLen = 64;

struct VerifyOptions {
    std::string file;
    std::vector<std::string> endorsements, trust_anchors;
    std::string at, policy, report_data;
    bool json = false;
};

// RFC 3339, or @ and seconds since 1970.
Result<Time> parse_time_option(const std::string& text) {
    if (text.empty())
        return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    if (!text.starts_with('@')) return parse_rfc3339(text, "--at");
    std::int64_t seconds = 0;
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + 1, end, seconds);
    constexpr std::int64_t kYear9999 = 253402300799;
    if (parsed.ec != std::errc{} || parsed.ptr != end || seconds < 0 || seconds > kYear9999) {
        return fail(
            Errc::bad_usage,
            "--at: expected is a time as 2026-11-22T07:54:00Z, or @ and seconds since 1970");
    }
    return Time{std::chrono::seconds{seconds}};
}

// Shorter values are padded with zero bytes on the right, as the devices do.
Result<Expectations> parse_expectations(const std::string& hex) {
    Expectations out;
    if (hex.empty()) return out;
    ATTESTD_TRY(const Bytes bytes, from_hex(hex, "--report-data"));
    if (bytes.size() > kMaxReportDataLen)
        return fail(Errc::bad_usage, "--report-data: over 64 bytes");
    std::copy(bytes.begin(), bytes.end(), out.report_data.emplace().begin());
    return out;
}

Outcome<AppraisalPolicy> read_policy(const std::string& path) {
    if (path.empty()) return AppraisalPolicy{};
    ATTESTD_TRY(const Bytes bytes, read_bytes(path));
    auto policy = parse_appraisal_policy(as_text(bytes), path, PolicyStrictness::lenient);
    if (!policy) return wrong_usage(std::move(policy).error());
    return *std::move(policy);
}

// A trust anchor is a key by its digest; its certificate is needed beside it, so it counts as
// given.
Outcome<TrustAnchors> read_anchors(const std::vector<std::string>& paths,
                                   Endorsements& endorsements) {
    TrustAnchors anchors;
    for (const std::string& path : paths) {
        ATTESTD_TRY(const Bytes bytes, read_bytes(path));
        auto added = anchors.add_certificate(bytes);
        if (added) added = endorsements.add(bytes, path);
        if (!added) {
            return wrong_usage(
                {added.error().code, fmt::format("{}: {}", path, added.error().detail)});
        }
    }
    return anchors;
}

// A report may come with the host's certificate table behind it: that part is endorsements.
Outcome<Bytes> split_evidence(Bytes bytes, Endorsements& endorsements, const std::string& name) {
    if (looks_like_intel_quote(bytes)) return bytes;
    if (!looks_like_snp_report(bytes)) {
        return wrong_usage(
            {Errc::unknown_format,
             fmt::format("{}: {} bytes that are neither a TDX or SGX quote nor an SNP report", name,
                         bytes.size())});
    }
    if (bytes.size() <= kSnpReportLen) return bytes;
    if (auto added = endorsements.add(bytes, name); !added)
        return wrong_usage(std::move(added).error());
    bytes.resize(kSnpReportLen);
    return bytes;
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

Outcome<int> run_verify(const VerifyOptions& options) {
    auto now = parse_time_option(options.at);
    if (!now) return wrong_usage(std::move(now).error());
    auto expected = parse_expectations(options.report_data);
    if (!expected) return wrong_usage(std::move(expected).error());
    ATTESTD_TRY(const AppraisalPolicy policy, read_policy(options.policy));
    ATTESTD_TRY(Bytes bytes, read_input(options.file));
    ATTESTD_TRY(Endorsements endorsements, read_endorsements(options.endorsements));
    ATTESTD_TRY(TrustAnchors anchors, read_anchors(options.trust_anchors, endorsements));
    ATTESTD_TRY(const Bytes evidence, split_evidence(std::move(bytes), endorsements, options.file));
    const AttestationResult result =
        LocalVerifier(std::move(anchors)).appraise(evidence, endorsements, policy, *expected, *now);
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
                     "evidence, or - for standard input: raw, hexadecimal or base64")
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
                        "report data to demand, hexadecimal, padded with zeros to 64 bytes");
    command->add_flag("--json", options->json, "as JSON");
    command->callback([options, &chosen] { chosen = [options] { return run_verify(*options); }; });
}

}  // namespace attestd::cli
