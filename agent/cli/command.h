// Commands of attestctl: what they share, and the list of them.
//
// A command is one file. Its add_..._command() tells CLI11 the arguments and leaves in `chosen`
// what is to be done when this command was given; main() does it after all arguments were read.
#pragma once

#include <functional>
#include <string_view>

#include "quote/base/result.h"

namespace CLI {
class App;
}

namespace attestd::cli {

/// Exit statuses of attestctl(1).
namespace exit_status {
inline constexpr int done = 0;         ///< done, or accepted
inline constexpr int refused = 1;      ///< by policy, by the daemon, or by what was judged
inline constexpr int usage = 2;        ///< wrong usage or unreadable input
inline constexpr int unreachable = 3;  ///< commands that act: the other side could not be reached
inline constexpr int undecided = 3;    ///< commands that judge: an endorsement is absent
}  // namespace exit_status

/// An error, and the exit status that it means for the command. Made from an Error alone, the
/// status is the usual one for its code.
struct Failure {
    Failure(
        Error e);  // NOLINT(google-explicit-constructor): lets ATTESTD_TRY pass a Result's error on
    Failure(Error e, int status) : error(std::move(e)), exit_status(status) {}

    Error error;
    int exit_status;
};

template <class T>
using Outcome = tl::expected<T, Failure>;

/// The failure of a command whose arguments or input cannot be used.
[[nodiscard]] inline tl::unexpected<Failure> wrong_usage(Error error) {
    return tl::make_unexpected(Failure(std::move(error), exit_status::usage));
}

/// What a command does; the value is the exit status.
using Action = std::function<Outcome<int>()>;

void add_audit_command(CLI::App& app, Action& chosen);
void add_bundle_command(CLI::App& app, Action& chosen);
void add_collateral_command(CLI::App& app, Action& chosen);
void add_deliver_command(CLI::App& app, Action& chosen);
void add_doctor_command(CLI::App& app, Action& chosen);
void add_eventlog_command(CLI::App& app, Action& chosen);
void add_inspect_command(CLI::App& app, Action& chosen);
void add_policy_command(CLI::App& app, Action& chosen);
void add_measure_command(CLI::App& app, Action& chosen);
void add_provision_command(CLI::App& app, Action& chosen);
void add_quote_command(CLI::App& app, Action& chosen);
void add_run_command(CLI::App& app, Action& chosen);
void add_secret_command(CLI::App& app, Action& chosen);
void add_status_command(CLI::App& app, Action& chosen);
void add_store_command(CLI::App& app, Action& chosen);
void add_verify_command(CLI::App& app, Action& chosen);

}  // namespace attestd::cli
