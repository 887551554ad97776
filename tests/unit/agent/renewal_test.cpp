// Renewal: when a session renews, serves, and ends.
#include "agent/renewal.h"

#include "tests/support/catch.h"

using namespace attestd;
using namespace std::chrono_literals;

namespace {
constexpr BootTime kStart{1000s};
}

TEST_CASE("renewal: nothing opens before the first result, and trying is due at once",
          "[agent][session]") {
    const Renewal<int> renewal;
    CHECK(renewal.current(kStart) == nullptr);
    CHECK(renewal.is_due(kStart));
    CHECK(renewal.epoch() == 0);
}

TEST_CASE(
    "renewal: a result serves to its stated end and is renewed at two thirds, or a little before",
    "[agent][session]") {
    Renewal<int> renewal;
    const double jitter = GENERATE(0.0, 0.5, 1.0);
    renewal.affirmed(7, kStart, 300s, jitter);
    CHECK(renewal.current(kStart)->key == 7);
    CHECK(renewal.current(kStart + 300s - 1ns) != nullptr);
    CHECK(renewal.current(kStart + 300s) == nullptr);
    CHECK_FALSE(renewal.is_due(kStart + 169s));
    CHECK(renewal.is_due(kStart + 200s));
    CHECK(renewal.is_due(kStart + 200s - std::chrono::seconds(static_cast<int>(jitter * 30))));
}

TEST_CASE("renewal: what must be fresh is renewed earlier and serves no shorter",
          "[agent][session]") {
    Renewal<int> renewal;
    renewal.affirmed(7, kStart, 300s, 0, 30s);
    CHECK_FALSE(renewal.is_due(kStart + 19s));
    CHECK(renewal.is_due(kStart + 20s));
    CHECK(renewal.current(kStart + 300s - 1ns) != nullptr);
    CHECK(renewal.current(kStart)->asked == kStart);
    renewal.affirmed(8, kStart, 300s, 0, 1h);
    CHECK_FALSE(renewal.is_due(kStart + 199s));
    CHECK(renewal.is_due(kStart + 200s));
}

TEST_CASE("renewal: each result is an epoch of its own, and so is its end", "[agent][session]") {
    Renewal<int> renewal;
    renewal.affirmed(1, kStart, 300s, 0);
    CHECK(renewal.epoch() == 1);
    renewal.affirmed(2, kStart + 1s, 300s, 0);
    CHECK(renewal.epoch() == 2);
    CHECK(renewal.current(kStart + 2s)->epoch == 2);
    renewal.refused(kStart + 3s, 0);
    CHECK(renewal.epoch() == 3);
    renewal.refused(kStart + 4s, 0);
    CHECK(renewal.epoch() == 3);  // there was nothing left to end
}

TEST_CASE("renewal: a refusal ends the session at once", "[agent][session]") {
    Renewal<int> renewal;
    renewal.affirmed(1, kStart, 300s, 0);
    renewal.refused(kStart + 1s, 0);
    CHECK(renewal.current(kStart + 1s) == nullptr);
}

TEST_CASE("renewal: an outage leaves the result until its end and never longer",
          "[agent][session]") {
    Renewal<int> renewal;
    renewal.affirmed(1, kStart, 300s, 0);
    for (auto t = kStart + 200s; t < kStart + 300s; t += 10s) {
        renewal.unreachable(t, 0);
        CHECK(renewal.current(t) != nullptr);
    }
    CHECK_FALSE(renewal.expire(kStart + 299s));
    CHECK(renewal.expire(kStart + 300s));
    CHECK(renewal.current(kStart + 1s) == nullptr);
    CHECK_FALSE(renewal.expire(kStart + 301s));
    CHECK(renewal.epoch() == 2);
}

TEST_CASE("renewal: failures are retried after 1, 2, 4 ... 60 seconds and up to half as much again",
          "[agent][session]") {
    Renewal<int> renewal;
    const double jitter = GENERATE(0.0, 1.0);
    BootTime now = kStart;
    for (const auto wait : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
        renewal.unreachable(now, jitter);
        const auto due =
            now + wait +
            (jitter > 0 ? std::chrono::duration_cast<std::chrono::milliseconds>(wait) / 2 : 0ms);
        CHECK_FALSE(renewal.is_due(due - 1ms));
        CHECK(renewal.is_due(due));
        now = due;
    }
    renewal.affirmed(1, now, 300s, 0);
    CHECK(renewal.num_failures() == 0);
}

TEST_CASE("renewal: the loop wakes for the end of a result even when the next attempt is later",
          "[agent][session]") {
    Renewal<int> renewal;
    renewal.affirmed(1, kStart, 30s, 0);
    for (int i = 0; i < 7; ++i) renewal.unreachable(kStart + 20s, 0);
    CHECK(renewal.next_event() == kStart + 30s);
}

TEST_CASE("renewal: asked for, it is due at once", "[agent][session]") {
    Renewal<int> renewal;
    renewal.affirmed(1, kStart, 300s, 0);
    renewal.renew_now();
    CHECK(renewal.is_due(kStart));
    CHECK(renewal.current(kStart) != nullptr);
}
