// Event logs of firmware and of run time: parsing, replay, merging, and what is told of them.
#include "quote/boot/event_log.h"

#include "quote/boot/boot_facts.h"
#include "quote/boot/event_text.h"
#include "quote/boot/runtime_event.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/support/forge/writer.h"

namespace attestd::fuzz::event_log {
namespace {

void check_event(const BootEvent& event, ByteView input) {
    holds(lies_in(event.data, input), "an event's data is part of the log");
    for (const EventDigest& digest : event.digests)
        holds(lies_in(digest.value, input), "a digest is part of the log");
    for (const char c : event_text(event)) holds(c >= ' ' && c <= '~', "texts are printable");
    for (const std::uint16_t algorithm : {kAlgSha256, kAlgSha384}) {
        const bool verified = data_trust(event, algorithm) == DataTrust::verified;
        const auto part = verified_part(event, algorithm);
        holds(!part || lies_in(*part, event.data), "the verified part is part of the data");
        holds(!verified || part.has_value(), "what is verified has a part that is");
    }
    if (const auto variable = parse_efi_variable(event.data))
        holds(lies_in(variable->data, event.data), "a variable is part of the data");
    if (const auto runtime = parse_runtime_event(event.data)) {
        holds(equal(runtime_event_data(*runtime), event.data), "an event is written again");
        holds(check_runtime_event(*runtime).has_value(), "what is read may be written");
    }
}

// The log alone, merged with nothing: the same registers.
void check_merge(ByteView input, const EventLog& log) {
    const auto merged = merge_event_logs(input, {});
    if (!merged) return;
    const auto parsed = must(parse_event_log(*merged));
    holds(parsed.events.size() == log.events.size(), "merging keeps every event");
    const auto before = replay_sha384(log), after = replay_sha384(parsed);
    holds(before.has_value() == after.has_value(), "both replay or neither");
    holds(!before || *before == *after, "merging with nothing changes no register");
}

void run(ByteView input) {
    const auto log = parse_event_log(input);
    if (!log) return;
    reached();
    holds(looks_like_event_log(input), "what parses is recognised");
    holds(log->bytes_used <= input.size(), "no more is used than there is");
    for (const BootEvent& event : log->events) check_event(event, input);
    check_merge(input, *log);
    static_cast<void>(event_log_notes(*log));
    static_cast<void>(replay_sha256(*log));
    for (const std::uint16_t algorithm : {kAlgSha256, kAlgSha384}) {
        if (log->has(algorithm)) static_cast<void>(boot_facts(*log, algorithm, {0, 4, 7, 8, 9}));
    }
}

Bytes variable_data() {
    const std::string_view name = "SecureBoot";
    forge::Writer out;
    out.zeros(16).u64(name.size()).u64(1);
    for (const char c : name) out.u16(static_cast<std::uint8_t>(c));
    out.u8(1);
    return std::move(out).take();
}

Seeds seeds() {
    auto events = forge::boot_events("kernel_cmdline: ro quiet");
    const Bytes plain = forge::event_log(events);
    events.push_back({1, 0x80000001, variable_data(), {}});
    events.push_back({4, forge::kEvIpl, runtime_event_data({"attestd", "config", "abc"}), {}});
    return {{"boot", plain},
            {"padded", forge::event_log(forge::boot_events("x"), 4096)},
            {"more", forge::event_log(events)},
            {"runtime", write_runtime_log({{"workload/db", "started", ""}, {"a", "b", "c d"}})}};
}

const bool kAdded =
    add({.name = "event-log",
         .run = run,
         .seeds = seeds,
         .words = {"Spec ID Event03", "StartupLocality", "kernel_cmdline: ", "grub_cmd: "},
         .mutations = 3000});

}  // namespace
}  // namespace attestd::fuzz::event_log
