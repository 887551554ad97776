// Token buckets, and who is locked out for how long.
#include "agent/api/limiter.h"

#include "tests/support/catch.h"

namespace attestd::limiter_test {
using namespace std::chrono_literals;

namespace {
constexpr BootTime kNow{1000s};
const std::vector<std::string_view> kNobody;
const std::vector<std::string_view> kApp{"app"};

Caller caller_of(uid_t uid, std::string_view unit = "a.service", std::string_view socket = "app") {
    Caller caller;
    caller.peer.uid = uid;
    caller.cgroup.unit = unit;
    caller.socket = socket;
    return caller;
}
}  // namespace

TEST_CASE("bucket: a burst, then as many as grow back", "[agent][limiter]") {
    TokenBucket bucket;
    const RateLimit limit{2, 5};
    for (int i = 0; i < 5; ++i) CHECK(bucket.take(limit, kNow));
    CHECK_FALSE(bucket.take(limit, kNow));
    CHECK_FALSE(bucket.take(limit, kNow + 499ms));
    CHECK(bucket.take(limit, kNow + 500ms));
    CHECK_FALSE(bucket.take(limit, kNow + 500ms));
    // However long nobody asks, no more than the burst is saved.
    for (int i = 0; i < 5; ++i) CHECK(bucket.take(limit, kNow + 1h));
    CHECK_FALSE(bucket.take(limit, kNow + 1h));
}

TEST_CASE("limiter: one uid's requests do not count against another's", "[agent][limiter]") {
    Limiter limiter;
    const Limits limits;
    for (int i = 0; i < 50; ++i) REQUIRE_OK(limiter.request(1, kNobody, limits, kNow));
    REQUIRE_ERRC(Errc::rate_limited, limiter.request(1, kNobody, limits, kNow));
    REQUIRE_OK(limiter.request(2, kNobody, limits, kNow));
}

TEST_CASE("limiter: one workload is limited over all its uids", "[agent][limiter]") {
    Limiter limiter;
    const Limits limits;
    for (uid_t uid = 0; uid < 50; ++uid) REQUIRE_OK(limiter.request(uid, kApp, limits, kNow));
    REQUIRE_ERRC(Errc::rate_limited, limiter.request(99, kApp, limits, kNow));
    REQUIRE_OK(limiter.request(99, kNobody, limits, kNow));
}

TEST_CASE("limiter: evidence has a burst of 5 and 2 a second", "[agent][limiter]") {
    Limiter limiter;
    const Limits limits;
    for (int i = 0; i < 5; ++i) REQUIRE_OK(limiter.quote(1, "app", limits, kNow));
    REQUIRE_ERRC(Errc::rate_limited, limiter.quote(1, "app", limits, kNow));
    REQUIRE_OK(limiter.quote(1, "app", limits, kNow + 500ms));
}

TEST_CASE(
    "limiter: the sixth failed authorisation in a minute locks the caller for a minute, with one "
    "word of it",
    "[agent][limiter]") {
    Limiter limiter;
    const Limits limits;
    const Caller guesser = caller_of(1);
    for (int i = 0; i < 5; ++i) CHECK_FALSE(limiter.failure(guesser, limits, kNow));
    REQUIRE_OK(limiter.check_lock(guesser, kNow));
    CHECK(limiter.failure(guesser, limits, kNow));
    CHECK_FALSE(limiter.failure(guesser, limits, kNow));
    REQUIRE_ERRC(Errc::rate_limited, limiter.check_lock(guesser, kNow + 59s));
    REQUIRE_OK(
        limiter.request(1, kNobody, limits, kNow));  // what policy does not give is still answered
    REQUIRE_OK(limiter.check_lock(guesser, kNow + 60s));
}

TEST_CASE("limiter: one who guesses locks out nobody who can be told from him",
          "[agent][limiter]") {
    Limiter limiter;
    const Limits limits;
    for (int i = 0; i < 6; ++i) static_cast<void>(limiter.failure(caller_of(0), limits, kNow));
    REQUIRE_ERRC(Errc::rate_limited, limiter.check_lock(caller_of(0), kNow));
    REQUIRE_OK(limiter.check_lock(caller_of(1), kNow));
    REQUIRE_OK(limiter.check_lock(caller_of(0, "b.service"), kNow));
    REQUIRE_OK(limiter.check_lock(caller_of(0, "a.service", "other"), kNow));
    Caller contained = caller_of(0);
    contained.cgroup.container_id = std::string(64, 'c');
    REQUIRE_OK(limiter.check_lock(contained, kNow));
}

TEST_CASE("limiter: entries that say nothing any more are dropped, a lock is not",
          "[agent][limiter]") {
    Limiter limiter;
    Limits limits;
    limits.failure_lock = 1h;
    for (uid_t uid = 0; uid < 1000; ++uid) REQUIRE_OK(limiter.request(uid, kNobody, limits, kNow));
    for (int i = 0; i < 6; ++i) static_cast<void>(limiter.failure(caller_of(7), limits, kNow));
    limiter.sweep(limits, kNow);
    CHECK(limiter.size() == 1001);
    limiter.sweep(limits, kNow + 30min);
    CHECK(limiter.size() == 1);
    REQUIRE_ERRC(Errc::rate_limited, limiter.check_lock(caller_of(7), kNow + 30min));
}

}  // namespace attestd::limiter_test
