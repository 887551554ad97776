// The audit log: on disk before what it records happens, and going on after whatever ended it.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/agent/audit/audit_samples.h"

namespace attestd::audit_test {

TEST_CASE("audit log: a record is in the file when record() returns, and the mode is 0640",
          "[agent][audit]") {
    const AuditSync sync = GENERATE(AuditSync::batched, AuditSync::each);
    Running run(sync);
    for (int i = 0; i < 3; ++i) {
        REQUIRE_OK(run.record(event_of(Decision::allow, "a")));
        CHECK(split(run.text()).size() == static_cast<std::size_t>(i + 1));
    }
    REQUIRE_OK(verify_chain(run.text()));
    struct stat st {};
    REQUIRE(::stat(run.config.path.c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0640);
}

TEST_CASE("audit log: the chain goes on after a restart", "[agent][audit]") {
    Running run;
    REQUIRE_OK(run.record(event_of(Decision::allow, "a")));
    run.open();
    REQUIRE_OK(run.record(event_of(Decision::allow, "b")));
    const auto summary = verify_chain(run.text());
    REQUIRE_OK(summary);
    CHECK(summary->num_records == 2);
}

TEST_CASE("audit log: what a crash left half-written is cut off, kept, and spoken of",
          "[agent][audit]") {
    Running run;
    REQUIRE_OK(run.record(event_of(Decision::allow, "a")));
    run.log->finish();
    const std::string torn =
        GENERATE(std::string("{\"ts\":\"2026"), std::string("\n"), std::string(5000, '\0'),
                 std::string("{\"no\":\"record\"}\n"), std::string("x\ny\nz"));
    std::ofstream(run.config.path, std::ios::app | std::ios::binary) << torn;
    run.open();
    REQUIRE_OK(run.record(event_of(Decision::allow, "b")));
    const auto all = split(run.text());
    REQUIRE_OK(verify_chain(run.text()));
    REQUIRE(all.size() == 3);
    CHECK_THAT(all[1], ContainsSubstring("\"method\":\"audit.torn\""));
    CHECK_THAT(all[1], ContainsSubstring(std::to_string(torn.size()) + " bytes"));
    CHECK(test::load_text(run.dir / "audit.jsonl.torn-1") == torn);
}

TEST_CASE("audit log: a large file that ends in no record is not continued", "[agent][audit]") {
    Running run;
    run.log.reset();
    std::ofstream(run.config.path, std::ios::binary) << std::string(3 << 20, 'x');
    const auto opened = AuditLog::open(run.io, Strand(run.pool.get_executor()), run.config, "boot");
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == Errc::audit_failed);
}

TEST_CASE("audit log: equal denials make one line, then one with their number", "[agent][audit]") {
    Running run;
    Caller caller;
    caller.peer = {1, 1000, 1000};
    caller.socket = "default";
    for (int i = 0; i < 1000; ++i) {
        // The name differs each time: an attacker must not choose how many lines there are.
        const std::string name = "guess" + std::to_string(i);
        AuditEvent event = event_of(Decision::deny, name, "secret.unavailable");
        event.caller = &caller;
        run.log->note_denial(event, caller_members(caller));
    }
    run.log->flush_denials(AuditLog::Flush::due);
    run.io.poll();
    CHECK(split(run.text()).size() == 1);
    run.log->finish();
    const auto all = split(run.text());
    REQUIRE(all.size() == 2);
    CHECK(nlohmann::json::parse(all[1]).at("repeated") == 999);
    CHECK(nlohmann::json::parse(all[1]).at("uid") == 1000);
    REQUIRE_OK(verify_chain(run.text()));
}

TEST_CASE("audit log: when the line cannot be written, the caller is told, and a later one goes on",
          "[agent][audit]") {
    if (!std::filesystem::exists("/dev/full")) ATTESTD_SKIP("no /dev/full");
    Running run;
    REQUIRE_OK(run.record(event_of(Decision::allow, "a")));
    // A limit on the file's length stands for a full disk.
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
    const auto len = std::filesystem::file_size(run.config.path);
    const rlimit tight{len + 20, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
    const auto refused = run.record(event_of(Decision::allow, "b"));
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    ::signal(SIGXFSZ, old_handler);
    REQUIRE_ERRC(Errc::audit_failed, refused);
    CHECK_FALSE(run.log->is_good());
    CHECK(std::filesystem::file_size(run.config.path) == len);
    REQUIRE_OK(run.record(event_of(Decision::allow, "c")));
    CHECK(run.log->is_good());
    const auto summary = verify_chain(run.text());
    REQUIRE_OK(summary);
    CHECK(summary->num_records == 2);
}

TEST_CASE("audit log: releases of one turn are one write, and fail together", "[agent][audit]") {
    Running run;
    REQUIRE(run.log->takes_turns());
    const std::string members = line_members(event_of(Decision::allow, "a"), ",\"uid\":7");
    for (int i = 0; i < 3; ++i) run.log->append_release(members, std::chrono::microseconds(i));
    CHECK(run.text().empty());
    REQUIRE_OK(run.log->write_now());
    const auto all = split(run.text());
    REQUIRE(all.size() == 3);
    CHECK(nlohmann::json::parse(all[2]).at("latency_us") == 2);
    CHECK(nlohmann::json::parse(all[2]).at("uid") == 7);
    REQUIRE_OK(verify_chain(run.text()));
}

TEST_CASE("audit log: the number of equal denials says from when to when", "[agent][audit]") {
    Running run;
    Caller caller;
    caller.peer = {1, 1000, 1000};
    AuditEvent event = event_of(Decision::deny, "x", "secret.unavailable");
    event.caller = &caller;
    for (int i = 0; i < 3; ++i) run.log->note_denial(event, {});
    run.log->finish();
    const auto last = nlohmann::json::parse(split(run.text()).back());
    CHECK(last.at("repeated") == 2);
    CHECK(last.at("first_ts") <= last.at("last_ts"));
    CHECK(last.at("last_ts") <= last.at("ts"));
}

TEST_CASE("audit log: an attacker of many uids does not fill the memory", "[agent][audit]") {
    Running run;
    Caller caller;
    for (uid_t uid = 0; uid < 5000; ++uid) {
        caller.peer = {1, uid, uid};
        AuditEvent event = event_of(Decision::deny, "x", "secret.unavailable");
        event.caller = &caller;
        run.log->note_denial(event, {});
    }
    run.log->finish();
    const auto all = split(run.text());
    CHECK(all.size() <= 1024 + 2);  // each kind that is kept, the rest's first, and its number
    REQUIRE_OK(verify_chain(run.text()));
}

}  // namespace attestd::audit_test
