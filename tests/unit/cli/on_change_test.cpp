// The command after a change: words without a shell, an end, and a status.
#include "agent/cli/on_change.h"

#include "tests/support/catch.h"

using namespace attestd;
using namespace attestd::cli;
using namespace std::chrono_literals;
using attestd::test::ContainsSubstring;

TEST_CASE("on-change: a command is split at blanks and nothing else", "[cli][on_change]") {
    const auto words = words_of_command("  /bin/echo  'a b'\t$HOME;x ");
    REQUIRE_OK(words);
    CHECK(*words == std::vector<std::string>{"/bin/echo", "'a", "b'", "$HOME;x"});
    REQUIRE_ERRC(Errc::bad_usage, words_of_command(" \t"));
    REQUIRE_ERRC(Errc::bad_usage, words_of_command(""));
}

TEST_CASE("on-change: a command that ends well is done", "[cli][on_change]") {
    REQUIRE_OK(run_command({"true"}, 30s));
    // Default signals, nothing to read, and no descriptor beyond the usual three and its own.
    REQUIRE_OK(
        run_command({"sh", "-c", "! read line && test $(ls /proc/self/fd | wc -l) -le 4"}, 30s));
}

TEST_CASE("on-change: any other end is an error that says which", "[cli][on_change]") {
    struct Row {
        std::vector<std::string> words;
        std::chrono::milliseconds patience;
        const char* says;
    };
    const auto row = GENERATE(values<Row>({
        {{"/no/such/program"}, 30s, "/no/such/program: No such file"},
        {{"sh", "-c", "exit 7"}, 30s, "sh: exit status 7"},
        {{"sh", "-c", "kill -9 $$"}, 30s, "sh: killed by signal 9"},
        {{"sleep", "600"}, 50ms, "sleep: did not end within 50 ms"},
        // A shell that has a child is killed with it: neither keeps us waiting.
        {{"sh", "-c", "sleep 600; true"}, 50ms, "sh: did not end within 50 ms"},
    }));
    INFO(row.says);
    const auto failed = run_command(row.words, row.patience);
    REQUIRE_ERRC(Errc::delivery_command, failed);
    CHECK_THAT(failed.error().detail, ContainsSubstring(row.says));
}
