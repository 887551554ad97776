// attestctl status: what the daemon says about itself.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/output.h"
#include "quote/base/json.h"

namespace attestd::cli {
namespace {

constexpr JsonLimits kStatusLimits{.max_len = std::size_t{1} << 20, .max_depth = 16};
constexpr unsigned kServiceUnavailable = 503;

struct StatusOptions {
    std::string socket = kWorkloadSocket;
    bool json = false;
};

std::string scalar_text(const nlohmann::json& value) {
    return printable(value.is_string() ? value.get<std::string>() : value.dump());
}

// Any JSON as indented lines: a newer daemon's members show without a change here.
void add_lines(const nlohmann::json& value, int depth, std::string& out) {
    const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
    for (const auto& [key, member] : value.items()) {
        const std::string label = value.is_array() ? "-" : printable(key) + ":";
        if (member.is_structured() && !member.empty()) {
            out += fmt::format("{}{}\n", indent, label);
            add_lines(member, depth + 1, out);
        } else if (member.is_structured()) {
            out += fmt::format("{}{} none\n", indent, label);
        } else {
            out += fmt::format("{}{} {}\n", indent, label, scalar_text(member));
        }
    }
}

Outcome<int> run_status(const StatusOptions& options) {
    static const std::string no_body;
    ATTESTD_TRY(const UnixResponse answer,
                DaemonClient(options.socket)
                    .ask_any(json_request("GET", "/v1/status", no_body), kServiceUnavailable));
    ATTESTD_TRY(const JsonDocument document,
                JsonDocument::parse(as_text(answer.body), "the daemon's answer", kStatusLimits));
    std::string out;
    if (options.json) {
        out = document.root().raw().dump() + "\n";
    } else {
        ATTESTD_CHECK(document.root().object());
        add_lines(document.root().raw(), /*depth=*/0, out);
    }
    ATTESTD_CHECK(print(out));
    return answer.head.status == kServiceUnavailable ? exit_status::refused : exit_status::done;
}

}  // namespace

void add_status_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<StatusOptions>();
    CLI::App* const command = app.add_subcommand("status", "Show the daemon's state");
    command->add_option("--socket", options->socket, "the daemon's socket")->capture_default_str();
    command->add_flag("--json", options->json, "as JSON");
    command->callback([options, &chosen] { chosen = [options] { return run_status(*options); }; });
}

}  // namespace attestd::cli
