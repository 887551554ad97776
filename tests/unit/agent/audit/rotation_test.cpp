// Audit files that grow long are set aside, and the chain goes on.
#include <filesystem>
#include <fstream>

#include "agent/audit/file_names.h"
#include "tests/unit/agent/audit/audit_samples.h"

namespace attestd::audit_test {

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
    const auto earlier = files_set_aside(run.config.path).value();
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

TEST_CASE("audit log: a folder that cannot be read has no files set aside to speak of",
          "[agent][audit][rotation]") {
    REQUIRE_ERRC(Errc::not_found, files_set_aside("/no/such/folder/audit.jsonl"));
    REQUIRE_ERRC(Errc::not_found, files_set_aside("/dev/null/audit.jsonl"));
}

TEST_CASE("audit log: with `keep`, the oldest files set aside are dropped",
          "[agent][audit][rotation]") {
    Running run;
    run.config.max_len = 65536;
    run.config.keep = 2;
    run.open();
    const std::string name(200, 'n');
    for (int i = 0; i < 1500; ++i) REQUIRE_OK(run.record(event_of(Decision::allow, name)));
    const auto earlier = files_set_aside(run.config.path).value();
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
    CHECK(files_set_aside(run.config.path)->size() >= 1);
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

}  // namespace attestd::audit_test
