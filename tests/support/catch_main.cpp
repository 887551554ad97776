// The main function of every unit test program.
//
// By hand it is Catch2's own command line. With `--tap` it prints one TAP line for each test case
// on standard output, for Meson to count, and Catch2's report on standard error. A test case
// without a single assertion fails.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/catch.h"

namespace {

bool tap = false;
int num_ended = 0;
std::string skip_reason;  // of the test case that runs now; empty when it was not skipped

class TapListener final : public
#if __has_include(<catch2/catch_all.hpp>)
                          Catch::EventListenerBase {
    using Catch::EventListenerBase::EventListenerBase;
#else
                          Catch::TestEventListenerBase {
    using Catch::TestEventListenerBase::TestEventListenerBase;
#endif
 public:
    void testCaseStarting(const Catch::TestCaseInfo&) override { skip_reason.clear(); }

    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        ++num_ended;
        if (!tap) return;
        std::string name = stats
                               .testInfo
#if __has_include(<catch2/catch_all.hpp>)
                               ->name;
#else
                               .name;
#endif
        for (char& c : name) {
            if (c == '#' || c == '\n') c = ' ';  // both mean something in TAP
        }
        const bool good = stats.totals.assertions.allOk() && !stats.aborting;
        const std::string skip = good && !skip_reason.empty() ? " # SKIP " + skip_reason : "";
        std::printf("%s %d - %s%s\n", good ? "ok" : "not ok", num_ended, name.c_str(),
                    skip.c_str());
        std::fflush(stdout);
    }
};

}  // namespace

CATCH_REGISTER_LISTENER(TapListener)

void attestd::test::note_skip(const std::string& why) {
    skip_reason = why.empty() ? "no reason given" : why;
    std::cerr << "SKIPPED: " << skip_reason << '\n';
}

int main(int argc, char** argv) {
    std::vector<const char*> args;
    for (int i = 0; i < argc; ++i) {
        if (std::string_view(argv[i]) == "--tap") {
            tap = true;
        } else {
            args.push_back(argv[i]);
        }
    }
    args.push_back("--warn");
    args.push_back("NoAssertions");
    if (tap) std::cout.rdbuf(std::cerr.rdbuf());

    Catch::Session session;
    if (const int bad = session.applyCommandLine(static_cast<int>(args.size()), args.data());
        bad != 0) {
        return bad;
    }
    const int result = session.run();
    if (tap) std::printf("1..%d\n", num_ended);
    return num_ended == 0 ? 1 : result;  // a program in which no test ran has not passed
}
