// /proc/PID/status and stat: names that try to look like fields.
#include "agent/caller/proc.h"

#include "tests/support/catch.h"

using namespace attestd;

namespace {

std::string status(std::string_view name, std::string_view uid, std::string_view tracer) {
    return "Name:\t" + std::string(name) + "\nTracerPid:\t" + std::string(tracer) + "\nUid:\t" +
           std::string(uid) + "\nGid:\t5\t6\t7\t8\nGroups:\t1 2 \n";
}

// Field 22 is 462171.
constexpr std::string_view kRest =
    " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 462171 22000 100 0\n";

}  // namespace

TEST_CASE("proc status: the effective uid and gid are the second numbers", "[agent][proc]") {
    const auto parsed = parse_proc_status(status("x", "1\t2\t3\t4", "0"));
    REQUIRE_OK(parsed);
    CHECK(parsed->uid == 2);
    CHECK(parsed->gid == 6);
    CHECK(parsed->tracer_pid == 0);
}

TEST_CASE("proc status: a tracer is seen", "[agent][proc]") {
    CHECK(parse_proc_status(status("x", "1\t2\t3\t4", "99"))->tracer_pid == 99);
}

TEST_CASE("proc status: a process' name is not taken for a field", "[agent][proc]") {
    // The kernel writes a line end in a name as a backslash and 'n'.
    const auto parsed = parse_proc_status(status("\\nUid:\t0\t0\t0\t0", "1\t2\t3\t4", "0"));
    REQUIRE_OK(parsed);
    CHECK(parsed->uid == 2);
}

TEST_CASE("proc status: a missing or odd field is refused", "[agent][proc]") {
    const std::string text =
        GENERATE_COPY(std::string(), status("x", "1", "0"), status("x", "1\tx\t3\t4", "0"),
                      status("x", "1\t2\t3\t4", ""), status("x", "1\t-2\t3\t4", "0"),
                      status("x", "1\t99999999999\t3\t4", "0"));
    INFO(text);
    REQUIRE_ERRC(Errc::peer_changed, parse_proc_status(text));
}

TEST_CASE("proc stat: the start time is counted from the last parenthesis", "[agent][proc]") {
    const char* const name = GENERATE("(x)", "(a b)", "(a) R 1 1 1)", "()", "(((((()",
                                      "() S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 7)");
    INFO(name);
    const auto start = parse_start_time("123 " + std::string(name) + std::string(kRest));
    REQUIRE_OK(start);
    CHECK(*start == 462171);
}

TEST_CASE("proc stat: a line that is too short is refused", "[agent][proc]") {
    const char* const text = GENERATE("", "1 (x", "1 (x)", "1 (x) S 1 2 3",
                                      "1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 1");
    INFO(text);
    REQUIRE_ERRC(Errc::peer_changed, parse_start_time(text));
}
