// The audit chain: what a line says, that nothing can be changed unnoticed, and what a crash
// leaves.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/audit/audit_log.h"
#include "agent/audit/file_names.h"
#include "agent/audit/journal.h"
#include "quote/base/unix_address.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

using namespace attestd;
using attestd::test::ContainsSubstring;
using attestd::test::TempDir;

namespace {

AuditEvent event_of(Decision decision, std::string_view object, std::string_view reason = {}) {
    AuditEvent event;
    event.decision = decision;
    event.method = "GET /v1/secrets";
    event.object = object;
    event.reason = reason;
    return event;
}

std::string lines(int count, ChainState& chain) {
    fmt::memory_buffer out;
    for (int i = 0; i < count; ++i) {
        append_line(out, chain, "boot", std::chrono::system_clock::time_point(),
                    event_of(Decision::allow, "a"), {});
    }
    return fmt::to_string(out);
}

std::vector<std::string> split(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

// A log on a file of its own, with the loop and pool that it needs.
struct Running {
    TempDir dir;
    Io io{1};
    asio::thread_pool pool{1};
    AuditConfig config{dir / "audit.jsonl", AuditSync::batched};
    std::unique_ptr<AuditLog> log;

    explicit Running(AuditSync sync = AuditSync::batched) {
        config.sync = sync;
        open();
    }
    ~Running() {
        log.reset();
        pool.join();
    }
    void open() {
        log.reset();
        auto opened = AuditLog::open(io, Strand(pool.get_executor()), config, "boot");
        REQUIRE_OK(opened);
        log = *std::move(opened);
    }
    Result<void> record(const AuditEvent& event) {
        std::optional<Result<void>> out;
        const std::string_view caller_text;
        const auto task = [&]() -> Task<void> { out = co_await log->record(event, caller_text); };
        spawn(io, task());
        io.restart();
        while (!out && io.run_one() != 0) {
        }
        REQUIRE(out.has_value());
        return *out;
    }
    std::string text() const { return test::load_text(config.path); }
};

}  // namespace

TEST_CASE("audit: a line is JSON with who, what, under which policy, and why", "[agent][audit]") {
    Caller caller;
    caller.peer = {12, 1000, 1001};
    caller.cgroup.unit = "app.service";
    caller.socket = "default";
    const Sha256 policy{1}, evidence{2};
    const std::vector<std::string_view> ids{"app", "db"};
    AuditEvent event = event_of(Decision::deny, "db/password", "secret.unavailable");
    event.caller = &caller;
    event.workloads = &ids;
    event.policy = &policy;
    event.evidence = &evidence;
    event.epoch = 4;
    event.connection = 9;
    event.latency = std::chrono::microseconds(55);
    ChainState chain;
    fmt::memory_buffer out;
    append_line(out, chain, "boot-1",
                std::chrono::system_clock::time_point(std::chrono::microseconds(1'500'000)), event,
                caller_members(caller));
    const auto json = nlohmann::json::parse(fmt::to_string(out));
    CHECK(json.at("ts") == "1970-01-01T00:00:01.500000Z");
    CHECK(json.at("boot_id") == "boot-1");
    CHECK(json.at("seq") == 0);
    CHECK(json.at("prev") == std::string(64, '0'));
    CHECK(json.at("conn") == 9);
    CHECK(json.at("pid") == 12);
    CHECK(json.at("uid") == 1000);
    CHECK(json.at("gid") == 1001);
    CHECK(json.at("unit") == "app.service");
    CHECK(json.at("rule_ids") == nlohmann::json{"app", "db"});
    CHECK(json.at("policy_sha256").get<std::string>().substr(0, 4) == "0100");
    CHECK(json.at("evidence_sha256").get<std::string>().substr(0, 4) == "0200");
    CHECK(json.at("object") == "db/password");
    CHECK(json.at("decision") == "deny");
    CHECK(json.at("reason") == "secret.unavailable");
    CHECK(json.at("latency_us") == 55);
}

TEST_CASE("audit: text from a peer stays one JSON text of at most 256 bytes", "[agent][audit]") {
    ChainState chain;
    fmt::memory_buffer out;
    const std::string nasty = "\",\"decision\":\"allow\n\x01\xff\\" + std::string(1000, 'x');
    append_line(out, chain, "boot", {}, event_of(Decision::deny, nasty), {});
    const std::string line = fmt::to_string(out);
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    const auto json = nlohmann::json::parse(line);
    CHECK(json.at("decision") == "deny");
    CHECK(json.at("object").get<std::string>().size() <=
          256 + 3);  // three of them became two bytes
}

TEST_CASE("audit chain: whole as it was written", "[agent][audit]") {
    ChainState chain;
    const auto summary = verify_chain(lines(20, chain));
    REQUIRE_OK(summary);
    CHECK(summary->num_records == 20);
    CHECK(summary->first_seq == 0);
    CHECK(summary->end.seq == chain.seq);
    CHECK(summary->end.prev == chain.prev);
    CHECK(verify_chain("")->num_records == 0);
}

TEST_CASE("audit chain: a line changed, taken out, put in, doubled or moved is found",
          "[agent][audit]") {
    using Lines = std::vector<std::string>;
    struct Row {
        const char* what;
        void (*tamper)(Lines&);
    };
    const auto row = GENERATE(values<Row>({
        {"changed", [](Lines& l) { l[2].replace(l[2].find("allow"), 5, "event"); }},
        {"taken out", [](Lines& l) { l.erase(l.begin() + 2); }},
        {"doubled", [](Lines& l) { l.insert(l.begin() + 2, l[2]); }},
        {"moved", [](Lines& l) { std::swap(l[2], l[3]); }},
        {"the first one once more", [](Lines& l) { l.push_back(l[0]); }},
        {"no JSON", [](Lines& l) { l[2] = "x"; }},
    }));
    INFO(row.what);
    ChainState chain;
    auto tampered = split(lines(6, chain));
    row.tamper(tampered);
    std::string text;
    for (const auto& line : tampered) text += line + "\n";
    const auto summary = verify_chain(text);
    REQUIRE_FALSE(summary.has_value());
    CHECK_THAT(summary.error().detail, ContainsSubstring("line "));
}

TEST_CASE("audit chain: every changed byte of every line but the last is found", "[agent][audit]") {
    ChainState chain;
    const std::string text = lines(3, chain);
    const std::size_t last = text.rfind('\n', text.size() - 2) + 1;
    for (std::size_t i = 0; i < last; ++i) {
        std::string mutant = text;
        mutant[i] = static_cast<char>(mutant[i] ^ 1);
        INFO(i);
        REQUIRE_FALSE(verify_chain(mutant).has_value());
    }
}

TEST_CASE("audit chain: a file that goes on where another ended verifies by itself",
          "[agent][audit]") {
    ChainState chain;
    static_cast<void>(lines(3, chain));
    const auto summary = verify_chain(lines(2, chain));
    REQUIRE_OK(summary);
    CHECK(summary->first_seq == 3);
}

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

TEST_CASE("audit log: after rotation the new file continues the chain", "[agent][audit]") {
    Running run;
    REQUIRE_OK(run.record(event_of(Decision::allow, "a")));
    std::filesystem::rename(run.config.path, run.dir / "old");
    REQUIRE_OK(run.log->reopen());
    REQUIRE_OK(run.record(event_of(Decision::allow, "b")));
    REQUIRE_OK(verify_chain(test::load_text(run.dir / "old") + run.text()));
    CHECK(split(run.text()).size() == 1);
}

TEST_CASE("audit log: a file that has grown long is set aside, and the chain goes on over both",
          "[agent][audit][rotation]") {
    Running run;
    run.config.max_len = 65536;
    run.open();
    const std::string name(200, 'n');
    for (int i = 0; i < 500; ++i) REQUIRE_OK(run.record(event_of(Decision::allow, name)));
    const auto earlier = files_set_aside(run.config.path);
    REQUIRE(earlier.size() >= 2);
    std::string all;
    std::uint64_t next = 0;
    for (const auto& file : earlier) {
        const std::string text = test::load_text(file);
        CHECK(text.size() >= run.config.max_len);
        CHECK(text.size() < run.config.max_len + 1000);
        all += text;
        next = verify_chain(all)->end.seq;
        CHECK(file == set_aside_path(run.config.path, next));
    }
    const auto summary = verify_chain(all + run.text());
    REQUIRE_OK(summary);
    CHECK(summary->num_records == 500);
    CHECK(summary->first_seq == 0);
    // By itself, the last file says where it goes on.
    CHECK(verify_chain(run.text())->first_seq == next);
}

TEST_CASE("audit log: with `keep`, the oldest files set aside are dropped",
          "[agent][audit][rotation]") {
    Running run;
    run.config.max_len = 65536;
    run.config.keep = 2;
    run.open();
    const std::string name(200, 'n');
    for (int i = 0; i < 1500; ++i) REQUIRE_OK(run.record(event_of(Decision::allow, name)));
    const auto earlier = files_set_aside(run.config.path);
    REQUIRE(earlier.size() == 2);
    std::string all;
    for (const auto& file : earlier) all += test::load_text(file);
    const auto summary = verify_chain(all + run.text());
    REQUIRE_OK(summary);
    CHECK(summary->end.seq == 1500);
    CHECK(summary->first_seq > 0);
}

TEST_CASE("audit log: a crash between two files loses nothing of the chain",
          "[agent][audit][rotation]") {
    Running run;
    for (int i = 0; i < 3; ++i) REQUIRE_OK(run.record(event_of(Decision::allow, "a")));
    run.log->finish();
    run.log.reset();
    const auto aside = set_aside_path(run.config.path, 3);
    std::filesystem::rename(run.config.path, aside);
    // Before the new file was made, and when it was empty.
    const bool is_made = GENERATE(false, true);
    if (is_made) std::ofstream(run.config.path).flush();
    run.open();
    REQUIRE_OK(run.record(event_of(Decision::allow, "b")));
    const auto summary = verify_chain(test::load_text(aside) + run.text());
    REQUIRE_OK(summary);
    CHECK(summary->num_records == 4);
}

TEST_CASE("audit log: a record of each, while files are set aside, is on the disk first",
          "[agent][audit][rotation]") {
    Running run(AuditSync::each);
    run.config.max_len = 65536;
    run.open();
    const std::string name(200, 'n');
    for (int i = 0; i < 300; ++i) REQUIRE_OK(run.record(event_of(Decision::allow, name)));
    CHECK(files_set_aside(run.config.path).size() >= 1);
    CHECK(run.log->is_good());
}

TEST_CASE("audit log: where the file cannot be set aside, it takes records as before",
          "[agent][audit][rotation]") {
    Running run;
    run.config.max_len = 65536;
    run.open();
    // What is in the way is a folder that is not empty: not even root renames over it.
    const std::string name(200, 'n');
    std::uint64_t made = 0;
    for (std::uint64_t seq = 100; seq < 400; ++seq) {
        std::filesystem::create_directories(set_aside_path(run.config.path, seq) / "x");
    }
    for (int i = 0; i < 500; ++i, ++made) REQUIRE_OK(run.record(event_of(Decision::allow, name)));
    const auto summary = verify_chain(run.text());
    REQUIRE_OK(summary);
    CHECK(summary->num_records == made);
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

TEST_CASE("audit: a prepared line is the same line", "[agent][audit]") {
    const AuditEvent event = event_of(Decision::allow, "a/b", "not-modified");
    ChainState one, other;
    fmt::memory_buffer whole, prepared;
    const auto now = std::chrono::system_clock::time_point(
        std::chrono::microseconds(1'795'334'040'000'123));  // 2026-11-22T07:54:00.000123Z
    append_line(whole, one, "boot", now, event, ",\"uid\":1");
    append_line(prepared, other, "boot", now, line_members(event, ",\"uid\":1"), event.latency);
    CHECK(fmt::to_string(whole) == fmt::to_string(prepared));
    CHECK(one.prev == other.prev);
    CHECK_THAT(fmt::to_string(whole), ContainsSubstring("\"2026-11-22T07:54:00.000123Z\""));
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

TEST_CASE("journal: each member of a record is a field, and the line is the message",
          "[agent][audit][journal]") {
    const std::string line =
        R"({"ts":"t","seq":7,"rule_ids":["a","b"],"decision":"deny","object":"x\ny"})";
    const auto entry = journal_entry(line);
    REQUIRE_OK(entry);
    for (const std::string& field :
         {"MESSAGE=" + line, std::string("PRIORITY=5"),
          std::string("SYSLOG_IDENTIFIER=attestd-audit"), std::string("ATTESTD_SEQ=7"),
          std::string("ATTESTD_RULE_IDS=[\"a\",\"b\"]"), std::string("ATTESTD_OBJECT=x y")}) {
        INFO(field);
        CHECK_THAT("\n" + *entry, ContainsSubstring("\n" + field + "\n"));
    }
    REQUIRE_ERRC(Errc::bad_json, journal_entry("no record"));
}

TEST_CASE("journal: records arrive as datagrams, and one that is not there is not waited for",
          "[agent][audit][journal]") {
    const TempDir dir;
    Journal journal(dir / "socket");
    journal.send("{\"seq\":1}\n");
    CHECK(journal.num_lost() == 1);
    const auto address = UnixAddress::of_path((dir / "socket").native());
    REQUIRE_OK(address);
    const auto listen = [&] {
        Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        REQUIRE(::bind(fd.get(), address->get(), address->len()) == 0);
        return fd;
    };
    const auto next = [](const Fd& fd) {
        std::string got(65536, '\0');
        const ssize_t n = ::recv(fd.get(), got.data(), got.size(), MSG_DONTWAIT);
        got.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
        return got;
    };
    Fd there = listen();
    journal.send("{\"seq\":2}\n{\"seq\":3}\n");
    CHECK_THAT(next(there), ContainsSubstring("ATTESTD_SEQ=2\n"));
    CHECK_THAT(next(there), ContainsSubstring("ATTESTD_SEQ=3\n"));
    // The journal is started anew.
    there.reset();
    std::filesystem::remove(dir / "socket");
    there = listen();
    journal.send("{\"seq\":4}\n");
    CHECK_THAT(next(there), ContainsSubstring("ATTESTD_SEQ=4\n"));
    CHECK(journal.num_lost() == 1);
}
