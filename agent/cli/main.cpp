// attestctl: reads the command line, does what it says, and exits with the status that attestctl(1)
// promises.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <exception>
#include <iostream>

#include "agent/cli/command.h"
#include "agent/cli/output.h"

namespace attestd::cli {
namespace {

// Secrets pass through this process: no core file, no debugger of the same user, and a reader that
// goes away is an error that we see.
void protect_process() noexcept {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    std::signal(SIGPIPE, SIG_IGN);
}

void add_commands(CLI::App& app, Action& chosen) {
    add_inspect_command(app, chosen);
    add_verify_command(app, chosen);
    add_bundle_command(app, chosen);
    add_collateral_command(app, chosen);
    add_eventlog_command(app, chosen);
    add_measure_command(app, chosen);
    add_quote_command(app, chosen);
    add_policy_command(app, chosen);
    add_audit_command(app, chosen);
    add_secret_command(app, chosen);
    add_store_command(app, chosen);
    add_provision_command(app, chosen);
    add_run_command(app, chosen);
    add_deliver_command(app, chosen);
    add_status_command(app, chosen);
    add_doctor_command(app, chosen);
}

// The names of the commands that were given: "secret put".
std::string step_of(const CLI::App& app) {
    std::string step;
    for (const CLI::App* command = &app; !command->get_subcommands().empty();) {
        command = command->get_subcommands().front();
        if (!step.empty()) step += ' ';
        step += command->get_name();
    }
    return step;
}

int run(int argc, char** argv) {
    CLI::App app("Inspect, verify and obtain attestation evidence, and manage attestd.",
                 "attestctl");
    app.set_version_flag("--version", "attestctl " ATTESTD_VERSION);
    app.require_subcommand(1);
    Action chosen;
    add_commands(app, chosen);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        const bool help = app.exit(e, std::cout, std::cerr) == 0;  // --help and --version
        return help ? exit_status::done : exit_status::usage;
    }
    const Outcome<int> outcome = chosen();
    if (outcome) return *outcome;
    print_error(step_of(app), outcome.error().error);
    return outcome.error().exit_status;
}

}  // namespace
}  // namespace attestd::cli

int main(int argc, char** argv) {
    attestd::cli::protect_process();
    try {
        return attestd::cli::run(argc, argv);
    } catch (const std::exception& e) {
        attestd::cli::print_error("attestctl", {attestd::Errc::internal, e.what()});
        return attestd::cli::exit_status::refused;
    }
}
