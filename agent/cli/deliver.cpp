// attestctl deliver: keeps secrets in files for a program that knows nothing of attestd.
//
// It runs as the program's own user, so that it gets what the program would get. Each secret has a
// thread that waits for the daemon's word; all that is decided and written happens on the main
// thread. The files are in memory (agent/delivery/place.h), are replaced as a whole, and are gone
// when a secret expires, is refused, or this process is told to end.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "agent/cli/command.h"
#include "agent/cli/daemon.h"
#include "agent/cli/daemon_service.h"
#include "agent/cli/deliverer.h"
#include "agent/cli/on_change.h"
#include "agent/cli/output.h"
#include "agent/secret_name.h"
#include "config/duration.h"
#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

struct DeliverOptions {
    std::vector<std::string> secrets, files;
    std::string template_file, on_change;
    std::string mode = "0400";
    std::string socket = kWorkloadSocket;
    std::string wait = "30s";
    bool once = false, keep = false;
};

Result<mode_t> mode_of(const std::string& text) {
    const bool octal =
        (text.size() == 3 || text.size() == 4) && text.find_first_not_of("01234567") == text.npos;
    if (!octal) return fail(Errc::bad_usage, "--mode " + text + ": octal digits are expected");
    return static_cast<mode_t>(std::stoul(text, nullptr, 8));
}

// One file for each secret, or one file for all of them by a template.
Result<std::vector<DeliveredFile>> files_of(const DeliverOptions& options) {
    std::vector<DeliveredFile> out;
    ATTESTD_TRY(const mode_t mode, mode_of(options.mode));
    if (options.template_file.empty()) {
        if (options.secrets.size() != options.files.size()) {
            return fail(Errc::bad_usage,
                        fmt::format("{} --secret and {} --file: each secret takes one file, or all "
                                    "of them one --template",
                                    options.secrets.size(), options.files.size()));
        }
        for (std::size_t i = 0; i < options.files.size(); ++i) {
            ATTESTD_TRY(Place place, Place::open(options.files[i], mode));
            out.push_back({std::move(place), {i}, std::nullopt});
        }
        return out;
    }
    if (options.files.size() != 1) return fail(Errc::bad_usage, "--template takes one --file");
    ATTESTD_TRY(const Bytes text, read_file(options.template_file, kMaxTemplateLen));
    auto parsed = SecretTemplate::parse(as_text(text));
    if (!parsed) return fail_in(options.template_file, parsed.error());
    ATTESTD_TRY(auto used, numbers_of(*parsed, options.secrets));
    ATTESTD_TRY(Place place, Place::open(options.files.front(), mode));
    out.push_back({std::move(place), std::move(used), *std::move(parsed)});
    return out;
}

Outcome<int> deliver(const DeliverOptions& options) {
    for (const std::string& name : options.secrets) ATTESTD_CHECK(SecretName::parse(name));
    const auto wait = parse_duration(options.wait);
    if (!wait) return wrong_usage({Errc::bad_usage, "--wait: " + wait.error().detail});
    DeliveryPlan plan;
    plan.names = options.secrets;
    plan.at_end = options.keep ? AtEnd::keep_files : AtEnd::remove_files;
    ATTESTD_TRY(plan.files, files_of(options));
    if (!options.on_change.empty()) {
        ATTESTD_TRY(plan.on_change, words_of_command(options.on_change));
    }
    auto service = std::make_unique<DaemonService>(options.socket);
    if (options.once) {
        ATTESTD_CHECK(deliver_once(plan, *service, *wait));
        return exit_status::done;
    }
    ATTESTD_CHECK(keep_delivered(std::move(plan), *service.release()));
    return exit_status::done;
}

}  // namespace

void add_deliver_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<DeliverOptions>();
    CLI::App* const command =
        app.add_subcommand("deliver", "Keep secrets fresh in files that are in memory only");
    command->add_option("--secret", options->secrets, "a secret's name; may be given again")
        ->required()
        ->allow_extra_args(false);
    command->add_option("--file", options->files, "where the secret of the same place goes")
        ->required()
        ->allow_extra_args(false);
    command->add_option("--mode", options->mode, "of the files; nothing for others")
        ->capture_default_str();
    command->add_option("--template", options->template_file,
                        "one file of all the secrets: {{ secret \"NAME\" }} stands for each");
    command->add_option("--on-change", options->on_change,
                        "program and arguments, split at blanks, run without a shell after a file "
                        "was replaced or removed");
    command->add_flag("--once", options->once, "deliver, and end");
    command->add_option("--wait", options->wait, "with --once: for an affirming result")
        ->capture_default_str();
    command->add_flag("--keep", options->keep, "leave the files when told to end");
    command->add_option("--socket", options->socket, "the workloads' socket")
        ->capture_default_str();
    command->callback([options, &chosen] { chosen = [options] { return deliver(*options); }; });
}

}  // namespace attestd::cli
