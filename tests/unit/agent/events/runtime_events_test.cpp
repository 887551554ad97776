// Run-time events: register and log never part without a word, wherever the process is killed.
#include "agent/events/runtime_events.h"

#include <fcntl.h>

#include "quote/boot/event_log.h"
#include "quote/boot/event_text.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/agent/events/register_system.h"

using namespace attestd;
using attestd::test::ContainsSubstring;
using attestd::test::RegisterSystem;
using attestd::test::TempDir;

namespace {

struct Machine {
    TempDir dir;
    RegisterSystem system;
    std::string boot_id = "boot-1";

    std::filesystem::path path() const { return dir / "events.jsonl"; }
    RuntimeEvents start() { return RuntimeEvents(system, path(), boot_id); }
    Bytes file() const { return read_file(path(), 1 << 25).value(); }
    void put_file(ByteView bytes) const {
        const Fd folder = open_file(path().parent_path(), O_RDONLY | O_DIRECTORY).value();
        REQUIRE_OK(replace_file(folder, path().filename().string(), bytes, 0600));
    }
};

Sha384 replayed(const RuntimeEvents& events) {
    const Bytes log = events.log();
    if (log.empty()) return Sha384{};
    const auto parsed = parse_event_log(log);
    REQUIRE_OK(parsed);
    return replay_sha384(*parsed).value().at("rtmr3");
}

}  // namespace

TEST_CASE("run-time events: the log replays to RTMR3, and names who asked", "[agent][events]") {
    Machine machine;
    auto events = machine.start();
    REQUIRE_OK(events.record_for_workload("db", "started", "version 1.2"));
    REQUIRE_OK(events.record_for_workload("app", "started", ""));
    CHECK(replayed(events) == machine.system.rtmr3);
    const Bytes log = events.log();
    const auto parsed = parse_event_log(log);
    REQUIRE(parsed->events.size() == 2);
    CHECK(register_name(parsed->kind, parsed->events[0].reg) == "rtmr3");
    CHECK(event_text(parsed->events[0]) == "tag 0x4141454c: workload/db started version 1.2");
    CHECK(data_trust(parsed->events[0]) == DataTrust::verified);
    CHECK(parse_runtime_event(parsed->events[1].data) ==
          RuntimeEvent{"workload/app", "started", ""});
}

TEST_CASE("run-time events: a workload cannot speak in another's name, nor the daemon's",
          "[agent][events]") {
    Machine machine;
    auto events = machine.start();
    const char* operation = GENERATE("", "a b", "config\nattestd", "\xc3\xa4", "a\tb");
    REQUIRE_ERRC(Errc::bad_value, events.record_for_workload("db", operation, "x"));
    REQUIRE_ERRC(Errc::bad_value, events.record_for_workload("db", "op", "two\nlines"));
    REQUIRE_ERRC(Errc::bad_value, events.record_for_workload("db", "op", std::string(1025, 'x')));
    CHECK(machine.system.num_extended == 0);
    // Blanks in the content do not move it into another field.
    const auto kept = events.record_for_workload("db", "op", "attestd config x");
    REQUIRE_OK(kept);
    CHECK(parse_runtime_event(runtime_event_data(*kept)) == *kept);
    CHECK(kept->domain == "workload/db");
}

TEST_CASE("run-time events: a configuration is measured when it changed, not at each start",
          "[agent][events]") {
    Machine machine;
    Sha256 first{}, second{};
    second.fill(2);
    {
        auto events = machine.start();
        REQUIRE_OK(events.record_config(first));
        REQUIRE_OK(events.record_for_workload("db", "config", "no configuration of the daemon"));
        REQUIRE_OK(events.record_config(first));
    }
    auto events = machine.start();
    REQUIRE_OK(events.record_config(first));
    CHECK(machine.system.num_extended == 2);
    REQUIRE_OK(events.record_config(second));
    REQUIRE_OK(events.record_config(first));
    CHECK(machine.system.num_extended == 4);
    CHECK(replayed(events) == machine.system.rtmr3);
}

TEST_CASE("run-time events: killed at any byte of the journal's write, the next start agrees",
          "[agent][events][crash]") {
    Machine machine;
    {
        auto events = machine.start();
        REQUIRE_OK(events.record_for_workload("db", "one", "x"));
    }
    const Bytes one = machine.file();
    const Sha384 after_one = machine.system.rtmr3;
    {
        auto events = machine.start();
        REQUIRE_OK(events.record_for_workload("db", "two", "y"));
    }
    const Bytes two = machine.file();
    for (std::size_t len = one.size(); len <= two.size(); ++len) {
        CAPTURE(len);
        // Written that far, and not measured.
        machine.put_file(ByteView(two).first(len));
        machine.system.rtmr3 = after_one;
        auto events = machine.start();
        REQUIRE_OK(events.open());
        const bool is_whole = len == two.size();
        CHECK(events.status().num_events == (is_whole ? 2 : 1));
        CHECK(replayed(events) == machine.system.rtmr3);
        REQUIRE_OK(events.record_for_workload("db", "three", "z"));
        CHECK(replayed(events) == machine.system.rtmr3);
        CHECK(machine.start().open().has_value());
    }
}

TEST_CASE("run-time events: killed before or after the extension, the event is measured once",
          "[agent][events][crash]") {
    struct Killed {};
    Machine machine;
    const bool before = GENERATE(true, false);
    {
        auto events = machine.start();
        REQUIRE_OK(events.record_for_workload("db", "one", ""));
        auto& moment = before ? machine.system.before : machine.system.after;
        moment = []() -> int { throw Killed(); };
        CHECK_THROWS_AS(events.record_for_workload("db", "two", ""), Killed);
        moment = [] { return 0; };
    }
    auto events = machine.start();
    REQUIRE_OK(events.open());
    CHECK(events.status().num_events == 2);
    CHECK(machine.system.num_extended == 2);
    CHECK(replayed(events) == machine.system.rtmr3);
}

TEST_CASE("run-time events: a register that fails costs one request and leaves no event behind",
          "[agent][events]") {
    Machine machine;
    auto events = machine.start();
    REQUIRE_OK(events.record_for_workload("db", "one", ""));
    machine.system.before = [] { return EIO; };
    REQUIRE_ERRC(Errc::platform_failed, events.record_for_workload("db", "two", ""));
    machine.system.before = [] { return 0; };
    CHECK(events.status().num_events == 1);
    // An error that comes too late: the register says that it was extended.
    machine.system.after = [] { return EIO; };
    REQUIRE_OK(events.record_for_workload("db", "three", ""));
    machine.system.after = [] { return 0; };
    CHECK(events.status().num_events == 2);
    CHECK(replayed(events) == machine.system.rtmr3);
    // Neither can be said while the register cannot be read: the next request finds out.
    machine.system.before = [&] {
        machine.system.on_read = [] { return EIO; };
        return EIO;
    };
    REQUIRE_ERRC(Errc::platform_failed, events.record_for_workload("db", "four", ""));
    machine.system.before = [] { return 0; };
    machine.system.on_read = [] { return 0; };
    REQUIRE_OK(events.record_for_workload("db", "five", ""));
    CHECK(events.status().num_events == 4);  // four was owed, and measured first
    CHECK(replayed(events) == machine.system.rtmr3);
}

TEST_CASE("run-time events: somebody else's extension is event_lost, now and after a restart",
          "[agent][events]") {
    Machine machine;
    auto events = machine.start();
    REQUIRE_OK(events.record_for_workload("db", "one", ""));
    machine.system.extend(Sha384{});
    REQUIRE_ERRC(Errc::event_lost, events.record_for_workload("db", "two", ""));
    CHECK(events.status().state == EventsState::lost);
    CHECK(machine.system.num_extended == 1);
    auto again = machine.start();
    REQUIRE_ERRC(Errc::event_lost, again.record_for_workload("db", "two", ""));
    CHECK(again.status().num_events == 1);
    CHECK_THAT(again.status().detail, ContainsSubstring("RTMR3 holds"));
    // Another boot begins anew.
    machine.system.rtmr3 = Sha384{};
    machine.boot_id = "boot-2";
    auto fresh = machine.start();
    REQUIRE_OK(fresh.record_for_workload("db", "one", ""));
    CHECK(fresh.status().num_events == 1);
    CHECK(fresh.status().detail.empty());
}

TEST_CASE("run-time events: a damaged or put-back log is event_lost, not begun anew",
          "[agent][events]") {
    Machine machine;
    {
        auto events = machine.start();
        REQUIRE_OK(events.record_for_workload("db", "one", ""));
        REQUIRE_OK(events.record_for_workload("db", "two", ""));
        REQUIRE_OK(events.record_for_workload("db", "three", ""));
    }
    Bytes bytes = machine.file();
    const int damage = GENERATE(0, 1, 2);
    if (damage == 0) bytes[bytes.size() / 2] ^= 0x80;
    if (damage == 1) bytes.resize(as_text(bytes).find("\"two\""));  // an older file
    if (damage == 2) bytes.assign(3, 'x');                          // no first line
    machine.put_file(bytes);
    auto events = machine.start();
    REQUIRE_ERRC(Errc::event_lost, events.open());
    REQUIRE_ERRC(Errc::event_lost, events.record_for_workload("db", "four", ""));
    CHECK(machine.system.num_extended == 3);
}

TEST_CASE("run-time events: a machine without the register says so", "[agent][events]") {
    Machine machine;
    machine.system.is_there = false;
    auto events = machine.start();
    REQUIRE_ERRC(Errc::platform_unsupported, events.record_for_workload("db", "one", ""));
    CHECK(events.status().state == EventsState::unsupported);
    CHECK(events.log().empty());

    machine.system.is_there = true;
    machine.system.extend(Sha384{});  // by an initrd, say
    REQUIRE_OK(events.record_for_workload("db", "one", ""));
    CHECK_THAT(events.status().detail, ContainsSubstring("by somebody else before"));
}

TEST_CASE("run-time events: a log that workloads have filled still takes what attestd measures",
          "[agent][events]") {
    constexpr std::size_t kForWorkloads = kMaxRuntimeEvents - 64;
    const std::string longest(1024, '\\');  // two bytes each in the file
    Machine machine;
    {
        auto events = machine.start();
        REQUIRE_OK(events.record_for_workload("db", "one", longest));
    }
    std::string text(as_text(machine.file()));
    const std::string line = text.substr(text.find('\n') + 1);
    for (std::size_t i = 1; i < kForWorkloads; ++i) text += line;
    machine.put_file(as_bytes(text));
    Sha384 value{};
    const Sha384 digest = runtime_event_digest({"workload/db", "one", longest});
    for (std::size_t i = 0; i < kForWorkloads; ++i)
        value = sha384({ByteView(value), ByteView(digest)});
    machine.system.rtmr3 = value;
    auto events = machine.start();
    REQUIRE_ERRC(Errc::event_refused, events.record_for_workload("db", "more", ""));
    Sha256 config{};
    for (std::uint8_t i = 0; i < 64; ++i) {
        config[0] = i;
        REQUIRE_OK(events.record_config(config));
    }
    config[0] = 64;
    REQUIRE_ERRC(Errc::event_refused, events.record_config(config));
    CHECK(events.status().num_events == kMaxRuntimeEvents);
    auto again = machine.start();
    REQUIRE_OK(again.open());
    CHECK(again.status().num_events == kMaxRuntimeEvents);

    SECTION("the next boot begins anew") {
        machine.boot_id = "boot-2";
        machine.system.rtmr3 = Sha384{};
        REQUIRE_OK(machine.start().record_for_workload("db", "one", ""));
    }
    SECTION("a file that is longer than any log is damaged, and says what mends it") {
        std::string huge(as_text(machine.file()));
        while (huge.size() <= (kMaxRuntimeEvents + 1) * 4096) huge += huge;
        machine.put_file(as_bytes(huge));
        const auto opened = machine.start().open();
        REQUIRE_ERRC(Errc::event_lost, opened);
        CHECK_THAT(opened.error().detail, ContainsSubstring("remove the file with the next boot"));
    }
}
