// How long a service is left alone.
#include "agent/sources/backoff.h"

#include "tests/support/catch.h"

namespace attestd::backoff_test {

using namespace std::chrono_literals;

TEST_CASE("back-off: pauses double up to their bound, with jitter over half of them", "[sources]") {
    constexpr BootTime kNow{1000s};
    Backoff least, most;
    std::chrono::milliseconds want = Backoff::kFailed.first;
    for (int i = 0; i < 20; ++i) {
        least.failed({Errc::kbs_failed, "x"}, Backoff::kFailed, kNow, 0, std::nullopt);
        most.failed({Errc::kbs_failed, "x"}, Backoff::kFailed, kNow, 1, std::nullopt);
        CHECK(least.until() - kNow == want / 2);
        CHECK(most.until() - kNow == want);
        want = std::min(want * 2, Backoff::kFailed.longest);
    }
    CHECK(most.holds(kNow + 59s) != nullptr);
    CHECK(most.holds(kNow + 60s) == nullptr);
    most.succeeded();
    CHECK(most.holds(kNow) == nullptr);
    most.failed({Errc::kbs_failed, "x"}, Backoff::kFailed, kNow, 1, std::nullopt);
    CHECK(most.until() - kNow == Backoff::kFailed.first);
}

TEST_CASE("back-off: a pause that the service asks for is kept", "[sources]") {
    constexpr BootTime kNow{1000s};
    Backoff backoff;
    backoff.failed({Errc::kbs_throttled, "x"}, Backoff::kFailed, kNow, 0, 100s);
    CHECK(backoff.until() - kNow == 100s);
    REQUIRE(backoff.holds(kNow + 99s) != nullptr);
    CHECK(backoff.holds(kNow + 99s)->code == Errc::kbs_throttled);
}

}  // namespace attestd::backoff_test
