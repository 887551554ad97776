// The desk: each request is good once, until it ends, in the run of the daemon that made it.
#include "agent/provision/desk.h"

#include "tests/unit/provision/provision_samples.h"

using namespace attestd;
using namespace attestd::test;
using std::chrono::seconds;

namespace {

constexpr BootTime kStart{std::chrono::hours(5)};

ProvisionDesk new_desk() {
    auto desk = ProvisionDesk::make();
    REQUIRE_OK(desk);
    return std::move(*desk);
}

ProvisionBody issued(ProvisionDesk& desk, seconds life = seconds(60), BootTime now = kStart) {
    auto body = desk.issue("m", life, at(1'800'000'000), now);
    REQUIRE_OK(body);
    return std::move(*body);
}

}  // namespace

TEST_CASE("provision desk: a request is answered once", "[agent][provision]") {
    ProvisionDesk desk = new_desk();
    const ProvisionBody body = issued(desk);
    CHECK(body.expires - body.issued == seconds(60));
    const auto key = desk.take(body.instance, body.id, kStart);
    REQUIRE_OK(key);
    CHECK((*key)->public_key() == body.key);
    REQUIRE_ERRC(Errc::too_busy, desk.take(body.instance, body.id, kStart));
    desk.put_back(body.id);
    REQUIRE_OK(desk.take(body.instance, body.id, kStart));
    desk.consume(body.id);
    CHECK(desk.num_pending() == 0);
    REQUIRE_ERRC(Errc::provision_consumed, desk.take(body.instance, body.id, kStart));
    desk.put_back(body.id);  // too late
    REQUIRE_ERRC(Errc::provision_consumed, desk.take(body.instance, body.id, kStart));
}

TEST_CASE("provision desk: each refusal names its reason", "[agent][provision]") {
    ProvisionDesk desk = new_desk();
    ProvisionDesk other = new_desk();
    const ProvisionBody body = issued(desk);
    CHECK(other.instance() != desk.instance());
    REQUIRE_ERRC(Errc::provision_unknown, desk.take(desk.instance(), id_of(7), kStart));
    REQUIRE_ERRC(Errc::provision_restarted, other.take(body.instance, body.id, kStart));
    REQUIRE_OK(desk.take(body.instance, body.id, kStart + seconds(59)));
    desk.put_back(body.id);
    REQUIRE_ERRC(Errc::provision_expired, desk.take(body.instance, body.id, kStart + seconds(60)));
    REQUIRE_ERRC(Errc::provision_expired, desk.take(body.instance, body.id, kStart));
    const ProvisionBody withdrawn = issued(desk);
    desk.withdraw(withdrawn.id);
    REQUIRE_ERRC(Errc::provision_unknown, desk.take(desk.instance(), withdrawn.id, kStart));
}

TEST_CASE("provision desk: keys end with their requests, the next end is told, answers go on",
          "[agent][provision]") {
    ProvisionDesk desk = new_desk();
    CHECK(desk.expire(kStart) == BootTime::max());
    const ProvisionBody early = issued(desk, seconds(10));
    const ProvisionBody late = issued(desk, seconds(20));
    CHECK(desk.expire(kStart) == kStart + seconds(10));
    REQUIRE_OK(desk.take(desk.instance(), late.id, kStart));
    CHECK(desk.expire(kStart + seconds(30)) == BootTime::max());
    CHECK(desk.num_pending() == 1);  // the one that is being answered
    desk.put_back(late.id);
    desk.expire(kStart + seconds(30));
    CHECK(desk.num_pending() == 0);
    issued(desk);
    desk.clear();
    CHECK(desk.num_pending() == 0);
}

TEST_CASE("provision desk: lives, labels and numbers are bounded", "[agent][provision]") {
    ProvisionDesk desk = new_desk();
    const Time wall = at(1'800'000'000);
    REQUIRE_ERRC(Errc::bad_value, desk.issue("m", seconds(0), wall, kStart));
    REQUIRE_ERRC(Errc::bad_value, desk.issue("m", kMaxProvisionLife + seconds(1), wall, kStart));
    REQUIRE_ERRC(Errc::bad_value, desk.issue("", seconds(60), wall, kStart));
    REQUIRE_ERRC(Errc::bad_value, desk.issue("a\"b", seconds(60), wall, kStart));
    for (std::size_t i = 0; i < ProvisionDesk::kMaxPending; ++i) issued(desk);
    REQUIRE_ERRC(Errc::too_busy, desk.issue("m", seconds(60), wall, kStart));
    REQUIRE_OK(desk.issue("m", seconds(60), wall, kStart + seconds(60)));  // the others have ended
    CHECK(desk.num_pending() == 1);
}

TEST_CASE("provision desk: only so many ends are remembered", "[agent][provision]") {
    ProvisionDesk desk = new_desk();
    const ProvisionBody first = issued(desk);
    desk.consume(first.id);
    for (std::size_t i = 0; i < ProvisionDesk::kMaxEnded; ++i) desk.consume(issued(desk).id);
    REQUIRE_ERRC(Errc::provision_unknown, desk.take(desk.instance(), first.id, kStart));
}
