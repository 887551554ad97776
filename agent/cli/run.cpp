// attestctl run: starts a program with secrets in its environment or on its file descriptors.
//
// The environment is put together in memory for secrets, from where the kernel copies it into the
// new program; no copy stays behind. A descriptor is the reading end of a pipe: memory of the
// kernel that is never swapped out, and gone once it is read.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <set>

#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/daemon_service.h"
#include "agent/secret_name.h"
#include "config/duration.h"
#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

constexpr std::string_view kFdVariable = "ATTESTD_FD_";

struct RunOptions {
    std::vector<std::string> variables;  // ENV=NAME
    std::vector<std::string> descriptors;
    std::vector<std::string> command;
    std::string socket = kWorkloadSocket;
    std::string wait = "30s";
};

/// A secret, and the variable that tells the program of it.
struct RunItem {
    std::string variable, name;
    bool by_descriptor = false;
};

bool is_variable(std::string_view text) {
    const auto good = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    return !text.empty() && !(text[0] >= '0' && text[0] <= '9') &&
           std::all_of(text.begin(), text.end(), good);
}

// "db/pass-word" is told of by ATTESTD_FD_DB_PASS_WORD.
std::string fd_variable(std::string_view name) {
    std::string out(kFdVariable);
    for (const char c : name) {
        const bool is_lower = c >= 'a' && c <= 'z';
        const bool stays = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out += is_lower ? static_cast<char>(c - 'a' + 'A') : stays ? c : '_';
    }
    return out;
}

Result<std::vector<RunItem>> run_items(const RunOptions& options) {
    std::vector<RunItem> out;
    for (const std::string& text : options.variables) {
        const auto at = text.find('=');
        if (at == text.npos || !is_variable(std::string_view(text).substr(0, at))) {
            return fail(Errc::bad_usage,
                        "--secret " + text + ": ENV=NAME is expected, a variable and a secret");
        }
        out.push_back({text.substr(0, at), text.substr(at + 1), false});
    }
    for (const std::string& name : options.descriptors)
        out.push_back({fd_variable(name), name, true});
    if (out.empty()) return fail(Errc::bad_usage, "no --secret and no --fd: nothing to hand over");
    std::set<std::string> variables;
    for (const RunItem& item : out) {
        ATTESTD_CHECK(SecretName::parse(item.name));
        if (!variables.insert(item.variable).second)
            return fail(Errc::bad_usage, item.variable + " would be set twice");
    }
    return out;
}

// "VARIABLE=value" with the end that the kernel looks for.
Result<Secret> environment_entry(const std::string& variable, const Secret& value) {
    const std::string begin = variable + "=";
    ATTESTD_TRY(Secret entry, Secret::zeroed(begin.size() + value.size() + 1));
    const bool has_nul = value.expose([&](ByteView bytes) {
        entry.fill([&](std::span<std::uint8_t> into) {
            std::copy(begin.begin(), begin.end(), into.begin());
            std::copy(bytes.begin(), bytes.end(),
                      into.begin() + static_cast<std::ptrdiff_t>(begin.size()));
        });
        return std::find(bytes.begin(), bytes.end(), std::uint8_t{0}) != bytes.end();
    });
    if (!has_nul) return entry;
    return fail(Errc::bad_usage,
                "the secret for " + variable +
                    " holds a zero byte, which no environment variable can; use --fd");
}

// The reading end, with all of the secret in the pipe.
Result<Fd> pipe_with(const std::string& name, const Secret& value) {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno(errno, "pipe");
    Fd reading(ends[0]), writing(ends[1]);
    const int len = static_cast<int>(std::max<std::size_t>(value.size(), 1));
    if (::fcntl(writing.get(), F_SETPIPE_SZ, len) < 0) return fail_errno(errno, "pipe for " + name);
    ATTESTD_CHECK(value.expose(
        [&](ByteView bytes) { return write_all(writing, bytes, "pipe for " + name); }));
    // As any program expects it: blocking, and kept over exec.
    if (::fcntl(reading.get(), F_SETFL, 0) != 0 || ::fcntl(reading.get(), F_SETFD, 0) != 0)
        return fail_errno(errno, "pipe for " + name);
    return reading;
}

/// What the program is started with; ends with exec or with this process.
struct RunPlan {
    std::vector<Secret> entries;
    std::vector<std::string> plain_entries;  // the numbers of descriptors
    std::vector<Fd> descriptors;
};

Result<RunPlan> obtain_for_run(const std::vector<RunItem>& items, SecretService& service,
                               Millis wait) {
    RunPlan plan;
    for (const RunItem& item : items) {
        auto answer = ask_patiently(service, item.name, wait);
        if (!answer) return fail_in(item.name, answer.error());
        if (!item.by_descriptor) {
            ATTESTD_TRY(plan.entries.emplace_back(),
                        environment_entry(item.variable, *answer->value));
            continue;
        }
        ATTESTD_TRY(plan.descriptors.emplace_back(), pipe_with(item.name, *answer->value));
        plan.plain_entries.push_back(
            fmt::format("{}={}", item.variable, plan.descriptors.back().get()));
    }
    return plan;
}

bool sets_one_of(std::string_view entry, const std::vector<RunItem>& items) {
    const std::string_view variable = entry.substr(0, entry.find('='));
    return std::any_of(items.begin(), items.end(),
                       [&](const RunItem& item) { return item.variable == variable; });
}

// Returns only when the program does not start. The kernel reads the entries where they are.
Error become(RunPlan plan, const std::vector<RunItem>& items, std::vector<std::string> command) {
    std::vector<char*> environment;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        if (!sets_one_of(*entry, items)) environment.push_back(*entry);
    }
    for (std::string& entry : plan.plain_entries) environment.push_back(entry.data());
    for (Secret& entry : plan.entries) {
        entry.fill([&](std::span<std::uint8_t> text) {
            // lint: allow reinterpret_cast: execve(2) wants characters
            environment.push_back(reinterpret_cast<char*>(text.data()));
        });
    }
    environment.push_back(nullptr);
    std::vector<char*> argv;
    for (std::string& word : command) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::signal(SIGPIPE, SIG_DFL);  // ignored signals stay ignored over exec
    ::execvpe(argv[0], argv.data(), environment.data());
    return {Errc::bad_usage,
            fmt::format("{}: cannot be run: {}", command.front(), std::strerror(errno))};
}

Outcome<int> run_program(const RunOptions& options) {
    const auto wait = parse_duration(options.wait);
    if (!wait) return wrong_usage({Errc::bad_usage, "--wait: " + wait.error().detail});
    const auto items = run_items(options);
    if (!items) return wrong_usage(items.error());
    DaemonService service(options.socket);
    ATTESTD_TRY(RunPlan plan, obtain_for_run(*items, service, *wait));
    return wrong_usage(become(std::move(plan), *items, options.command));
}

}  // namespace

void add_run_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<RunOptions>();
    CLI::App* const command = app.add_subcommand(
        "run", "Start a program with secrets in its environment or on file descriptors");
    command->add_option("--secret", options->variables, "ENV=NAME: the secret NAME as variable ENV")
        ->allow_extra_args(false);
    command
        ->add_option("--fd", options->descriptors,
                     "NAME: the secret on a descriptor, whose number is in ATTESTD_FD_NAME")
        ->allow_extra_args(false);
    command
        ->add_option("--wait", options->wait, "for the first affirming result, at most this long")
        ->capture_default_str();
    command->add_option("--socket", options->socket, "the workloads' socket")
        ->capture_default_str();
    command->add_option("CMD", options->command, "the program and its arguments, after --")
        ->required();
    command->positionals_at_end();
    command->callback([options, &chosen] { chosen = [options] { return run_program(*options); }; });
}

}  // namespace attestd::cli
