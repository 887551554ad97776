// A call that the kernel does not give back costs its own request and no more than its deadline.
#include "quote/platform/deadline_platform.h"

#include <signal.h>

#include <atomic>

#include "tests/support/catch.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;

/// A device that answers when it is let to.
class SlowPlatform final : public Platform {
 public:
    std::string_view name() const noexcept override { return "slow"; }
    Result<Evidence> collect(const ReportData& data, Deadline) override {
        ++num_calls;
        sigset_t blocked;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        signals_blocked = sigismember(&blocked, SIGTERM) == 1;
        if (data[0] != 0) gate.get_future().wait();
        return Evidence{Tee::snp, {data[0]}, {}, {}, "slow"};
    }
    Result<Secret> derive_key(const DerivedKeyRequest&, Deadline) override {
        throw std::runtime_error("a bug");
    }
    std::promise<void> gate;
    std::atomic<int> num_calls = 0;
    std::atomic<bool> signals_blocked = false;
};

Deadline in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

}  // namespace

TEST_CASE("deadline: an answer in time is passed on, and a bug is an error", "[platform]") {
    DeadlinePlatform platform(std::make_unique<SlowPlatform>());
    CHECK(platform.name() == "slow");
    const auto evidence = platform.collect({}, in(10s));
    REQUIRE_OK(evidence);
    CHECK(evidence->quote == Bytes{0});
    REQUIRE_ERRC(Errc::internal, platform.derive_key({}, in(10s)));
    REQUIRE_OK(platform.collect({}, in(10s)));
}

TEST_CASE("deadline: a hanging device costs one request, and the next one waits its turn",
          "[platform]") {
    auto made = std::make_unique<SlowPlatform>();
    SlowPlatform& inner = *made;
    DeadlinePlatform platform(std::move(made));
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE_ERRC(Errc::timed_out, platform.collect({1}, in(50ms)));
    // The device has the first request still: it is not asked a second time.
    REQUIRE_ERRC(Errc::timed_out, platform.collect({}, in(50ms)));
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
    CHECK(inner.num_calls == 1);
    CHECK(inner.signals_blocked);
    inner.gate.set_value();
    const auto evidence = platform.collect({}, in(10s));
    REQUIRE_OK(evidence);
    CHECK(evidence->quote == Bytes{0});  // its own answer, not the late one
    CHECK(inner.num_calls == 2);
}

}  // namespace attestd::test
