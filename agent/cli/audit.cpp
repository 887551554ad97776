// attestctl audit verify: whether an audit log is whole, over all files of its chain.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <memory>
#include <optional>

#include "agent/audit/chain.h"
#include "agent/audit/file_names.h"
#include "agent/cli/command.h"
#include "agent/cli/output.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"

namespace attestd::cli {
namespace {

constexpr std::size_t kMaxLogLen = std::size_t{4} << 30;

struct AuditOptions {
    std::string file;
    std::string holds;  // SHA-256 of a record, in hex
};

struct AuditTotals {
    std::uint64_t num_records = 0, first_seq = 0;
    ChainState end;
    bool holds_wanted = false;
};

Failure refused_audit(const std::string& file, const Error& error) {
    return Failure({error.code, file + ": " + error.detail}, exit_status::refused);
}

// One file more; it must go on where the one before ended.
Outcome<void> verify_next(const std::string& file, const Sha256* wanted, AuditTotals& totals) {
    auto bytes = read_file(file, kMaxLogLen);
    if (!bytes) return wrong_usage(std::move(bytes).error());
    const auto summary = verify_chain(as_text(*bytes), wanted);
    if (!summary) return tl::make_unexpected(refused_audit(file, summary.error()));
    if (summary->num_records == 0) return {};
    const bool is_first = totals.num_records == 0;
    if (!is_first &&
        (summary->first_seq != totals.end.seq || summary->first_prev != totals.end.prev)) {
        const Error gap{
            Errc::audit_failed,
            fmt::format("does not continue the file before it, whose last record was {}",
                        totals.end.seq - 1)};
        return tl::make_unexpected(refused_audit(file, gap));
    }
    if (is_first) totals.first_seq = summary->first_seq;
    totals.num_records += summary->num_records;
    totals.end = summary->end;
    totals.holds_wanted = totals.holds_wanted || summary->holds_wanted;
    return {};
}

// The name of a file that was set aside says where it ended.
Outcome<void> check_ends_as_named(const std::filesystem::path& file, const AuditTotals& totals) {
    const auto next_seq = number_after(file);
    if (!next_seq || totals.end.seq == *next_seq) return {};
    const std::string last = totals.num_records == 0 ? "none" : fmt::to_string(totals.end.seq - 1);
    const Error other_end{
        Errc::audit_failed,
        fmt::format("its last record is {}, and by its name {}: {}", last, *next_seq - 1,
                    totals.end.seq < *next_seq ? "records were cut off at its end"
                                               : "it holds what belongs to another file")};
    return tl::make_unexpected(refused_audit(file.string(), other_end));
}

std::string describe_audit(const std::string& file, const AuditTotals& totals,
                           std::size_t num_earlier) {
    if (totals.num_records == 0) return printable(file) + ": holds no record\n";
    std::string out =
        fmt::format("{}: {} records, numbers {} to {}, each bound to the one before\n",
                    printable(file), totals.num_records, totals.first_seq, totals.end.seq - 1);
    if (num_earlier != 0)
        out += fmt::format("{} of its files were set aside before\n", num_earlier);
    if (totals.first_seq != 0)
        out += fmt::format("records 0 to {} are not here\n", totals.first_seq - 1);
    // What was cut off at the end shows nowhere in the file: only this digest, kept elsewhere,
    // tells (--holds).
    out += fmt::format("the last record's SHA-256 is {}\n", to_hex(totals.end.prev));
    return out;
}

Outcome<int> verify_audit(const AuditOptions& options) {
    std::optional<Sha256> wanted;
    if (!options.holds.empty()) {
        auto digest = array_from_hex<32>(options.holds, "--holds");
        if (!digest) return wrong_usage(std::move(digest).error());
        wanted = *digest;
    }
    ATTESTD_TRY(const auto earlier, files_set_aside(options.file));
    AuditTotals totals;
    for (const auto& file : earlier) {
        ATTESTD_CHECK(verify_next(file.string(), wanted ? &*wanted : nullptr, totals));
        ATTESTD_CHECK(check_ends_as_named(file, totals));
    }
    ATTESTD_CHECK(verify_next(options.file, wanted ? &*wanted : nullptr, totals));
    ATTESTD_CHECK(check_ends_as_named(options.file, totals));
    if (wanted && !totals.holds_wanted) {
        const Error missing{Errc::audit_failed, "no record has the SHA-256 " + options.holds +
                                                    ": records were cut off at the end"};
        return tl::make_unexpected(refused_audit(options.file, missing));
    }
    ATTESTD_CHECK(print(describe_audit(options.file, totals, earlier.size())));
    return exit_status::done;
}

}  // namespace

void add_audit_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<AuditOptions>();
    CLI::App* const audit = app.add_subcommand("audit", "Audit logs of the daemon");
    audit->require_subcommand(1);
    CLI::App* const verify =
        audit->add_subcommand("verify", "Find any record that was changed, removed or moved");
    verify
        ->add_option("FILE", options->file,
                     "an audit log; files that were set aside from it are read before it")
        ->required();
    verify->add_option("--holds", options->holds,
                       "SHA-256 of the last record at some earlier time: it must still be there");
    verify->callback([options, &chosen] { chosen = [options] { return verify_audit(*options); }; });
}

}  // namespace attestd::cli
