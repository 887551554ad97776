// attestctl inspect: shows any evidence or endorsement, field by field. Nothing is verified.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/explain.h"
#include "agent/cli/html/page.h"
#include "agent/cli/inspection.h"
#include "agent/cli/output.h"

namespace attestd::cli {
namespace {

struct InspectOptions {
    std::string file;
    std::vector<std::string> endorsements;
    std::string html;
    bool json = false;
};

Outcome<int> run_inspect(const InspectOptions& options) {
    ATTESTD_TRY(const Bytes bytes, read_input(options.file));
    ATTESTD_TRY(const Endorsements given, read_endorsements(options.endorsements));
    auto found = inspect_bytes(bytes, given);
    if (!found)
        return wrong_usage(
            {found.error().code, fmt::format("{}: {}", options.file, found.error().detail)});
    if (!options.html.empty()) {
        ATTESTD_CHECK(write_page(options.html, {options.file, bytes, *found, &given, nullptr}));
        return exit_status::done;
    }
    nlohmann::ordered_json out{{"format", found->format}, {"fields", found->fields}};
    out.update(found->more);
    if (options.json) {
        ATTESTD_CHECK(print(out.dump() + "\n"));
        return exit_status::done;
    }
    out.erase("format");
    const std::string head = fmt::format("{}  {}, {} bytes; decoded, not verified\n", found->format,
                                         printable(options.file), bytes.size());
    ATTESTD_CHECK(print(head + render_tree(out, output_colour())));
    return exit_status::done;
}

}  // namespace

void add_inspect_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<InspectOptions>();
    CLI::App* const command =
        app.add_subcommand("inspect", "Show any evidence or endorsement, field by field");
    command
        ->add_option("FILE", options->file,
                     "a file, or - for standard input: raw, hexadecimal or base64")
        ->required();
    command->add_option(
        "--endorsements", options->endorsements,
        "certificates that say which product made a version 2 report (file or folder; repeatable)");
    CLI::Option* const json = command->add_flag("--json", options->json, "as JSON");
    command
        ->add_option("--html", options->html,
                     "write one self-contained page to this file; - is standard output")
        ->excludes(json);
    command->callback([options, &chosen] { chosen = [options] { return run_inspect(*options); }; });
}

}  // namespace attestd::cli
