// attestctl audit verify: whether an audit log is whole.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>

#include "agent/audit/chain.h"
#include "agent/cli/command.h"
#include "agent/cli/output.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxLogLen = std::size_t{1} << 30;

Outcome<int> verify_audit(const std::string& file) {
    auto bytes = read_file(file, kMaxLogLen);
    if (!bytes) return wrong_usage(std::move(bytes).error());
    const auto summary = verify_chain(as_text(*bytes));
    if (!summary) {
        const Error& error = summary.error();
        return tl::make_unexpected(
            Failure({error.code, file + ": " + error.detail}, exit_status::refused));
    }
    std::string out = fmt::format(
        "{}: {} records, numbers {} to {}, each bound to the one before\n", printable(file),
        summary->num_records, summary->first_seq, summary->end.seq - 1);
    // What was cut off at the end shows nowhere in the file: only this digest, kept elsewhere,
    // tells.
    out += fmt::format("the last record's SHA-256 is {}\n", to_hex(summary->end.prev));
    if (summary->num_records == 0) out = printable(file) + ": holds no record\n";
    ATTESTD_CHECK(print(out));
    return exit_status::done;
}

}  // namespace

void add_audit_command(CLI::App& app, Action& chosen) {
    const auto file = std::make_shared<std::string>();
    CLI::App* const audit = app.add_subcommand("audit", "Audit logs of the daemon");
    audit->require_subcommand(1);
    CLI::App* const verify =
        audit->add_subcommand("verify", "Find any record that was changed, removed or moved");
    verify->add_option("FILE", *file, "an audit log")->required();
    verify->callback([file, &chosen] { chosen = [file] { return verify_audit(*file); }; });
}

}  // namespace attestd::cli
