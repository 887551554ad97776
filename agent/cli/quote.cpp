// attestctl quote: evidence from this machine, through the daemon or straight from a platform.
#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/output.h"
#include "agent/cli/platform_option.h"
#include "agent/platform/evidence_json.h"
#include "quote/base/encoding.h"

namespace attestd::cli {
namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr unsigned kEvidenceMode = 0644;  // evidence is not secret

struct QuoteOptions {
    std::string report_data;
    std::string output;
    std::string socket = kWorkloadSocket;
    std::string platform;
    bool json = false;
};

Outcome<Bytes> report_data_from(const std::string& hex) {
    auto bytes = from_hex(hex, "--report-data");
    if (!bytes) return wrong_usage(std::move(bytes).error());
    if (bytes->size() > sizeof(ReportData)) {
        return wrong_usage({Errc::bad_usage, "--report-data: at most 64 bytes (128 digits)"});
    }
    return *std::move(bytes);
}

// The daemon binds the bytes to the calling workload; the answer says what was used.
Outcome<EvidenceDocument> from_daemon(const QuoteOptions& options, ByteView data) {
    const std::string body = R"({"report_data": ")" + to_hex(data) + R"("})";
    ATTESTD_TRY(const Bytes answer,
                DaemonClient(options.socket).ask(json_request("POST", "/v1/evidence", body)));
    ATTESTD_TRY(EvidenceDocument document,
                parse_evidence_document(as_text(answer), "the daemon's answer"));
    return document;
}

// The bytes go in as they are, with zeros behind them.
Outcome<EvidenceDocument> from_platform(const QuoteOptions& options, ByteView data) {
    ATTESTD_TRY(const auto platform, make_platform(options.platform));
    ReportData padded{};
    std::copy(data.begin(), data.end(), padded.begin());
    ATTESTD_TRY(Evidence evidence,
                platform->collect(padded, std::chrono::steady_clock::now() + kPatience));
    return EvidenceDocument{std::move(evidence), /*workload=*/"", padded};
}

Outcome<int> run_quote(const QuoteOptions& options) {
    if (!options.json && options.output.empty() && output_is_terminal()) {
        return wrong_usage({Errc::bad_usage,
                            "evidence is binary and standard output is a terminal: "
                            "use -o FILE, --json or a pipe"});
    }
    ATTESTD_TRY(const Bytes data, report_data_from(options.report_data));
    ATTESTD_TRY(const EvidenceDocument document, options.platform.empty()
                                                     ? from_daemon(options, data)
                                                     : from_platform(options, data));
    const Bytes out =
        options.json ? to_bytes(as_bytes(to_json(document) + "\n")) : document.evidence.quote;
    if (options.output.empty()) {
        ATTESTD_CHECK(print(out));
    } else {
        ATTESTD_CHECK(write_file(options.output, out, kEvidenceMode));
    }
    return exit_status::done;
}

}  // namespace

void add_quote_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<QuoteOptions>();
    CLI::App* const command = app.add_subcommand("quote", "Get evidence from this machine");
    command->add_option(
        "--report-data", options->report_data,
        "up to 64 bytes in hex, for the evidence to carry. The daemon binds them to the "
        "caller's workload; --platform puts them in as they are, padded with zeros");
    command->add_option("-o,--output", options->output,
                        "write to this file, not to standard output");
    command->add_flag("--json", options->json, "everything that came with it, as JSON");
    CLI::Option* const socket =
        command->add_option("--socket", options->socket, "the daemon's socket")
            ->capture_default_str();
    command->add_option("--platform", options->platform, kPlatformHelp)->excludes(socket);
    command->callback([options, &chosen] { chosen = [options] { return run_quote(*options); }; });
}

}  // namespace attestd::cli
