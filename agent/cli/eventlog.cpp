// attestctl eventlog: registers recomputed from an event log, and compared with a quote's.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/cli/command.h"
#include "agent/cli/event_logs.h"
#include "agent/cli/evidence_file.h"
#include "agent/cli/output.h"
#include "quote/base/encoding.h"
#include "quote/boot/event_log.h"
#include "quote/boot/event_text.h"
#include "quote/intel/quote.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;
using Registers = std::map<std::string, Sha384>;

struct EventlogOptions {
    std::vector<std::string> files;
    std::string quote;
    bool json = false;
};

// What the quote says of one register.
struct Comparison {
    std::string reg;
    Sha384 quoted;
    bool matches;
};

Outcome<std::vector<Comparison>> compare(const Registers& replayed, const std::string& quote_file) {
    std::vector<Comparison> out;
    if (quote_file.empty()) return out;
    ATTESTD_TRY(const Bytes bytes, read_input(quote_file));
    const auto parsed = parse_intel_quote(bytes);
    if (!parsed)
        return wrong_usage({parsed.error().code, quote_file + ": " + parsed.error().detail});
    const auto* const td = std::get_if<TdReport>(&parsed->quote.body);
    if (td == nullptr)
        return wrong_usage(
            {Errc::bad_usage, quote_file + ": an SGX quote has no run-time registers"});
    for (std::size_t i = 0; i < td->rtmr.size(); ++i) {
        const std::string name = fmt::format("rtmr{}", i);
        const auto own = replayed.find(name);
        if (own == replayed.end())
            return wrong_usage(
                {Errc::bad_usage, "a vTPM's log does not speak of a TD's registers"});
        out.push_back({name, td->rtmr.at(i), own->second == td->rtmr.at(i)});
    }
    return out;
}

Json events_json(const EventLog& log) {
    Json out = Json::array();
    for (const BootEvent& event : log.events) {
        Json digests;
        for (const EventDigest& digest : event.digests)
            digests[fmt::format("0x{:x}", digest.algorithm)] = to_hex(digest.value);
        out.push_back({{"offset", event.offset},
                       {"register", register_name(log.kind, event.reg)},
                       {"type", event_type_name(event.type)},
                       {"digests", std::move(digests)},
                       {"data_trust", data_trust_name(data_trust(event))},
                       {"text", event_text(event)}});
    }
    return out;
}

std::string json_text(const EventLog& log, const Registers& registers,
                      const std::vector<Comparison>& compared) {
    Json out;
    for (const auto& [name, value] : registers) out["registers"][name] = to_hex(value);
    for (const Comparison& c : compared)
        out["quote"][c.reg] = {{"quoted", to_hex(c.quoted)}, {"matches", c.matches}};
    out["bytes_used"] = log.bytes_used;
    out["notes"] = event_log_notes(log);
    out["events"] = events_json(log);
    return out.dump() + "\n";
}

std::string human_text(const EventLog& log, const Registers& registers,
                       const std::vector<Comparison>& compared) {
    std::string out;
    for (const BootEvent& event : log.events) {
        out += fmt::format("{:>6}  {:<6} {:<33} {:<13} {}\n", event.offset,
                           register_name(log.kind, event.reg), event_type_name(event.type),
                           data_trust_name(data_trust(event)), event_text(event));
    }
    for (const auto& [name, value] : registers)
        out += fmt::format("{:<6} {}\n", name, to_hex(value));
    for (const std::string& note : event_log_notes(log)) out += "note: " + note + '\n';
    for (const Comparison& c : compared) {
        out += c.matches ? fmt::format("{}: the quote says the same\n", c.reg)
                         : fmt::format("{}: differs, the quote says {}\n", c.reg, to_hex(c.quoted));
    }
    return out;
}

Outcome<int> run_replay(const EventlogOptions& options) {
    ATTESTD_TRY(const Bytes bytes, read_event_logs(options.files));
    const std::string& file = options.files.front();
    const auto log = parse_event_log(bytes);
    if (!log) return wrong_usage({log.error().code, file + ": " + log.error().detail});
    const auto registers = replay_sha384(*log);
    if (!registers)
        return wrong_usage({registers.error().code, file + ": " + registers.error().detail});
    ATTESTD_TRY(const auto compared, compare(*registers, options.quote));
    ATTESTD_CHECK(print(options.json ? json_text(*log, *registers, compared)
                                     : human_text(*log, *registers, compared)));
    const bool all_match = std::all_of(compared.begin(), compared.end(),
                                       [](const Comparison& c) { return c.matches; });
    return all_match ? exit_status::done : exit_status::refused;
}

}  // namespace

void add_eventlog_command(CLI::App& app, Action& chosen) {
    const auto options = std::make_shared<EventlogOptions>();
    CLI::App* const eventlog = app.add_subcommand("eventlog", "Event logs of measured boot");
    eventlog->require_subcommand(1);
    CLI::App* const replay = eventlog->add_subcommand(
        "replay", "Recompute the registers, and compare them with a quote's");
    replay
        ->add_option("FILE", options->files,
                     "a CCEL or vTPM event log, or - for standard input; behind it the log of "
                     "what was measured since (GET /v1/events)")
        ->required();
    replay->add_option("--quote", options->quote, "a TDX quote whose registers to compare");
    replay->add_flag("--json", options->json, "as JSON");
    replay->callback([options, &chosen] { chosen = [options] { return run_replay(*options); }; });
}

}  // namespace attestd::cli
