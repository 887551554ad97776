// What recorded boots explain, and logs put behind one another.
#include "quote/boot/boot_facts.h"

#include "quote/base/encoding.h"
#include "quote/boot/event_text.h"
#include "tests/support/catch.h"
#include "tests/support/forge/event_log_forge.h"
#include "tests/support/vectors.h"

namespace attestd {
namespace {

std::set<std::uint32_t> all_pcrs() {
    std::set<std::uint32_t> out;
    for (std::uint32_t i = 0; i < 24; ++i) out.insert(i);
    return out;
}

}  // namespace

TEST_CASE("boot facts: a recorded boot by GRUB in a TDX guest", "[quote][event-log]") {
    NEED_VECTORS(dir, "eventlog");
    const Bytes bytes = test::load_file(dir / "ccel-cos113.bin");
    const auto log = parse_event_log(bytes);
    REQUIRE_OK(log);
    const BootFacts facts = boot_facts(*log, kAlgSha384);
    CHECK(facts.secure_boot == false);
    CHECK((facts.pk && facts.kek && facts.db && facts.dbx));
    CHECK(facts.images.size() == 2);  // shim and GRUB
    REQUIRE(facts.command_lines.size() == 1);
    CHECK(facts.command_lines[0].starts_with("/syslinux/vmlinuz.A init=/usr/lib/systemd/systemd"));
    CHECK(facts.boot_commands.size() == 15);
    CHECK(facts.runtime_events.empty());
    CHECK(facts.notes.empty());
}

TEST_CASE("boot facts: Secure Boot on, and an initrd by its digest", "[quote][event-log]") {
    NEED_VECTORS(dir, "eventlog");
    const Bytes bytes = test::load_file(dir / "ccel-grub.bin");
    const auto log = parse_event_log(bytes);
    REQUIRE_OK(log);
    const BootFacts facts = boot_facts(*log, kAlgSha384);
    CHECK(facts.secure_boot == true);
    CHECK(facts.images.size() == 5);
    CHECK(facts.initrds.size() == 1);
    CHECK(facts.load_options.size() == 1);
    CHECK(facts.command_lines.empty());
}

TEST_CASE("boot facts: what GRUB says is what the kernel was handed", "[quote][event-log]") {
    NEED_VECTORS(dir, "eventlog");
    const Bytes bytes = test::load_file(dir / "tpm-ubuntu2404-snp.bin");
    const auto log = parse_event_log(bytes);
    REQUIRE_OK(log);
    const std::uint16_t algorithm = GENERATE(kAlgSha256, kAlgSha384);
    const BootFacts facts = boot_facts(*log, algorithm, all_pcrs());
    REQUIRE(facts.command_lines.size() == 1);
    REQUIRE(facts.load_options.size() == 1);
    CHECK(is_load_options(facts.load_options[0], facts.command_lines[0], algorithm));
    CHECK_FALSE(
        is_load_options(facts.load_options[0], facts.command_lines[0] + " single", algorithm));
    // Registers that do not bear the log out say nothing.
    std::set<std::uint32_t> some = all_pcrs();
    some.erase(7);
    some.erase(8);
    const BootFacts less = boot_facts(*log, algorithm, some);
    CHECK_FALSE(less.secure_boot);
    CHECK(less.boot_commands.empty());
}

TEST_CASE("boot facts: a doubled separator is told", "[quote][event-log]") {
    NEED_VECTORS(dir, "eventlog");
    const Bytes bytes = test::load_file(dir / "ccel-cos113-dupsep.bin");
    const auto log = parse_event_log(bytes);
    REQUIRE_OK(log);
    REQUIRE(event_log_notes(*log).size() == 1);
    CHECK_THAT(event_log_notes(*log)[0], test::ContainsSubstring("a second separator"));
}

TEST_CASE("run-time events: recorded ones of another agent have the same form",
          "[quote][event-log]") {
    NEED_VECTORS(dir, "eventlog");
    const Bytes bytes = test::load_file(dir / "ccel-aael-rtmr3.bin");
    const auto log = parse_event_log(bytes);
    REQUIRE_OK(log);
    const BootFacts facts = boot_facts(*log, kAlgSha384);
    REQUIRE(facts.runtime_events.size() == 2);
    CHECK(facts.runtime_events[0] == RuntimeEvent{"coco.com", "some-operation", "some-content"});
    CHECK(equal(log->events.back().digest(kAlgSha384),
                runtime_event_digest(facts.runtime_events[1])));
    CHECK(equal(log->events.back().data, runtime_event_data(facts.runtime_events[1])));
}

TEST_CASE("event logs: events of the second follow those of the first, without its padding",
          "[quote][event-log]") {
    const auto boot = forge::boot_events("console=hvc0");
    const RuntimeEvent event{"attestd", "config", "00"};
    const Bytes area = forge::event_log(boot, 65536);
    const Bytes later = write_runtime_log({event});
    const auto merged = merge_event_logs(area, later);
    REQUIRE_OK(merged);
    const auto log = parse_event_log(*merged);
    REQUIRE_OK(log);
    CHECK(log->bytes_used == merged->size());
    REQUIRE(log->events.size() == boot.size() + 1);
    CHECK(parse_runtime_event(log->events.back().data) == event);
    const auto registers = replay_sha384(*log).value();
    CHECK(registers.at("rtmr0") == forge::replay(boot)[0]);
    CHECK(registers.at("rtmr3") == sha384({Sha384{}, runtime_event_digest(event)}));

    CHECK(merge_event_logs(area, {}).value() == forge::event_log(boot));
    CHECK(merge_event_logs(area, write_runtime_log({})).value() == forge::event_log(boot));
    CHECK_FALSE(merge_event_logs(area, ByteView(later).first(60)));
}

TEST_CASE("event logs: what the first measured last and the second explains counts once",
          "[quote][event-log]") {
    const RuntimeEvent one{"attestd", "config", "00"}, two{"workload/app", "start", ""};
    auto grown = forge::boot_events("console=hvc0");
    for (const RuntimeEvent& event : {one, two})
        grown.push_back({4, 6, to_bytes(as_bytes("unexplained")), runtime_event_digest(event)});
    const auto merged_with = [&](const std::vector<RuntimeEvent>& events) {
        const auto merged =
            merge_event_logs(forge::event_log(grown, 65536), write_runtime_log(events));
        REQUIRE_OK(merged);
        return *merged;
    };
    const auto rtmr3_of = [](const Bytes& log) {
        return replay_sha384(parse_event_log(log).value()).value().at("rtmr3");
    };
    const Bytes once = merged_with({one, two});
    CHECK(rtmr3_of(once) == forge::replay(grown)[3]);
    const auto log = parse_event_log(once);
    REQUIRE_OK(log);
    CHECK(log->events.size() == grown.size());
    CHECK(boot_facts(*log, kAlgSha384).runtime_events == std::vector<RuntimeEvent>{one, two});
    // In another order, or with more than the first holds, nothing is taken for the same.
    CHECK(rtmr3_of(merged_with({two, one})) != forge::replay(grown)[3]);
    CHECK(parse_event_log(merged_with({one, two, one})).value().events.size() == grown.size() + 3);
}

TEST_CASE("run-time events: no two have the same bytes, and nothing else is taken for one",
          "[quote][event-log]") {
    const RuntimeEvent event{"workload/db", "started", "a b"};
    const Bytes data = runtime_event_data(event);
    CHECK(parse_runtime_event(data) == event);
    CHECK(runtime_event_data({"workload/db", "started", "a"}) != data);
    for (std::size_t len = 0; len < data.size(); ++len)
        CHECK_FALSE(parse_runtime_event(ByteView(data).first(len)));
    for (const RuntimeEvent& bad : {RuntimeEvent{"a b", "c", ""}, RuntimeEvent{"", "c", ""},
                                    RuntimeEvent{"a", "b\n", ""}, RuntimeEvent{"a", "b", "\n"}})
        CHECK_FALSE(check_runtime_event(bad));
}

}  // namespace attestd
