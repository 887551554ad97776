// Session: a platform and a verifier that can misbehave, and what opens in the meantime.
#include "agent/session.h"

#include <algorithm>
#include <future>
#include <thread>

#include "tests/support/catch.h"
#include "verifier/internal/result_builder.h"

using namespace attestd;
using namespace std::chrono_literals;

namespace {

class FakePlatform final : public Platform {
 public:
    std::optional<Error> broken;
    std::vector<ReportData> asked;
    int inside = 0, most = 0;
    std::chrono::milliseconds takes = 1ms;

    std::string_view name() const noexcept override { return "fake"; }
    Result<Evidence> collect(const ReportData& report_data, Deadline) override {
        most = std::max(most, ++inside);
        std::this_thread::sleep_for(takes);
        --inside;
        asked.push_back(report_data);
        if (broken) return tl::make_unexpected(*broken);
        return Evidence{Tee::snp, Bytes(report_data.begin(), report_data.end()), {}, {}, "fake"};
    }
    Result<Secret> derive_key(const DerivedKeyRequest&, Deadline) override {
        return fail(Errc::platform_unsupported, "none");
    }
};

class FakeVerifier final : public VerifierKind {
 public:
    enum class Says : std::uint8_t {
        accepted,
        refused,
        undecided,
        unreachable,
        expired
    } says = Says::accepted;
    std::chrono::seconds life = 1h;
    int num_mismatched = 0;
    std::vector<EndorsementId> wanted;
    std::optional<ReportData> own_report_data;  // asked for in place of the usual
    std::optional<Error> no_challenge;
    bool gives_token = false;
    std::function<void()> during = [] {};  // an appraisal, on its thread

    Result<ReportData> begin(ByteView nonce) override {
        if (no_challenge) return tl::make_unexpected(*no_challenge);
        if (own_report_data) return *own_report_data;
        return VerifierKind::begin(nonce);
    }
    std::shared_ptr<const VerifierToken> take_token() override {
        if (!gives_token) return nullptr;
        auto text = Secret::copy_of(as_bytes("token"));
        REQUIRE_OK(text);
        return std::make_shared<const VerifierToken>(VerifierToken{*std::move(text), Time()});
    }
    std::string_view name() const noexcept override { return "fake"; }
    std::vector<EndorsementId> take_wanted() override { return std::exchange(wanted, {}); }
    Result<AttestationResult> appraise(const Evidence& evidence, const Expectations& expected,
                                       Time now) override {
        if (!expected.report_data || !equal(evidence.quote, *expected.report_data))
            ++num_mismatched;
        during();
        if (says == Says::unreachable) return fail(Errc::unavailable, "down");
        ResultBuilder builder(Tee::snp, "fake", now, Sha256{});
        builder.grade(Grade::production);
        if (says == Says::refused) builder.error("policy.debug", "on");
        if (says == Says::undecided)
            return std::move(builder).finish_unverified(/*only_absences=*/true);
        return std::move(builder).finish_verified(says == Says::expired ? now : now + life);
    }
};

struct Fixture {
    Io io{1};
    asio::thread_pool pool{1};
    FakePlatform platform;
    std::shared_ptr<FakeVerifier> verifier = std::make_shared<FakeVerifier>();
    Session session{io, Strand(pool.get_executor()), platform, verifier, 10min, 1s};
    int num_changes = 0, num_ends = 0;

    Fixture() {
        session.set_hooks({[this] { ++num_changes; }, [this] { ++num_ends; }});
        spawn(io, session.run());
    }
    ~Fixture() {
        session.stop();
        io.restart();
        io.run();
        pool.join();
    }
    // Runs the loop until one more attempt was made.
    void one_attempt() {
        const auto before = session.status().num_attempts + 1;
        const auto outcomes = [&] {
            const auto& s = session.status();
            return s.num_affirmed + s.num_refused + s.num_unreachable;
        };
        const auto give_up = std::chrono::steady_clock::now() + 10s;
        while (outcomes() < before && std::chrono::steady_clock::now() < give_up) {
            io.restart();
            io.run_for(5ms);
        }
        REQUIRE(outcomes() == before);
    }
    void renew() {
        session.renew_now();
        one_attempt();
    }
    bool opens() const { return session.current(BootClock::now()).has_value(); }
};

}  // namespace

TEST_CASE("session: affirmed, it opens for the shorter of max_age and what the result states",
          "[agent][session]") {
    Fixture f;
    CHECK_FALSE(f.opens());
    // The last is the year 9999, which is no number of nanoseconds from here.
    f.verifier->life = GENERATE(3600s, 60s, 251'000'000'000s);
    const BootTime before = BootClock::now();
    f.one_attempt();
    REQUIRE(f.opens());
    const auto expected = std::min<std::chrono::seconds>(f.verifier->life, 10min);
    const auto expires = f.session.current(BootClock::now())->expires;
    CHECK(expires >= before + expected);
    CHECK(expires <= BootClock::now() + expected);
    CHECK(f.num_changes == 1);
    CHECK(f.num_ends == 0);
}

TEST_CASE("session: its word says which verifier spoke, and since when the nonce is out",
          "[agent][session]") {
    Fixture f;
    const BootTime before = BootClock::now();
    f.one_attempt();
    const auto word = f.session.current(BootClock::now());
    REQUIRE(word);
    CHECK(word->verifier == "fake");
    CHECK(word->asked >= before);
    CHECK(word->asked <= BootClock::now());
}

TEST_CASE("session: a demand for fresher evidence has it renewed at once", "[agent][session]") {
    Fixture f;
    f.one_attempt();
    f.session.set_freshness(std::chrono::minutes(5));
    f.one_attempt();
    CHECK(f.session.status().num_affirmed == 2);
    CHECK(f.opens());
}

TEST_CASE("session: each attempt has a fresh nonce, and the verifier is told what it must find",
          "[agent][session]") {
    Fixture f;
    f.one_attempt();
    f.renew();
    f.renew();
    REQUIRE(f.platform.asked.size() == 3);
    CHECK(f.platform.asked[0] != f.platform.asked[1]);
    CHECK(f.platform.asked[1] != f.platform.asked[2]);
    CHECK(f.verifier->num_mismatched == 0);
}

TEST_CASE("session: a refusal ends it at once and has everything wiped", "[agent][session]") {
    Fixture f;
    f.one_attempt();
    const auto epoch = f.session.epoch();
    f.verifier->says = GENERATE(FakeVerifier::Says::refused, FakeVerifier::Says::expired);
    f.renew();
    CHECK_FALSE(f.opens());
    CHECK(f.num_ends == 1);
    CHECK(f.session.epoch() == epoch + 1);
    CHECK(f.session.status().last == AttemptOutcome::refused);
}

TEST_CASE("session: while platform or verifier cannot be reached, the earlier result serves",
          "[agent][session]") {
    using Break = void (*)(Fixture&);
    const auto break_it = GENERATE(values<Break>({
        [](Fixture& f) {
            f.platform.broken = Error{Errc::timed_out, "x"};
        },
        [](Fixture& f) {
            f.platform.broken = Error{Errc::unavailable, "x"};
        },
        [](Fixture& f) {
            f.platform.broken = Error{Errc::platform_failed, "x"};
        },
        [](Fixture& f) {
            f.platform.broken = Error{Errc::platform_wrong_echo, "x"};
        },
        [](Fixture& f) { f.verifier->says = FakeVerifier::Says::unreachable; },
        [](Fixture& f) { f.verifier->says = FakeVerifier::Says::undecided; },
    }));
    Fixture f;
    f.one_attempt();
    const auto epoch = f.session.epoch();
    break_it(f);
    f.renew();
    CHECK(f.opens());
    CHECK(f.session.epoch() == epoch);
    CHECK(f.num_ends == 0);
    CHECK(f.session.status().last == AttemptOutcome::unreachable);
}

TEST_CASE("session: an outage outlives the result's life, the session does not",
          "[agent][session]") {
    Fixture f;
    f.verifier->life = 1s;
    f.one_attempt();
    REQUIRE(f.opens());
    f.platform.broken = Error{Errc::unavailable, "gone"};
    const auto until = std::chrono::steady_clock::now() + 3s;
    while (f.num_ends == 0 && std::chrono::steady_clock::now() < until) {
        f.io.restart();
        f.io.run_for(20ms);
    }
    CHECK_FALSE(f.opens());
    CHECK(f.num_ends >= 1);
}

TEST_CASE("session: nothing was ever affirmed, nothing opens, and it tries again by itself",
          "[agent][session]") {
    Fixture f;
    f.verifier->says = FakeVerifier::Says::refused;
    f.one_attempt();
    CHECK_FALSE(f.opens());
    f.verifier->says = FakeVerifier::Says::accepted;
    f.one_attempt();  // after its back-off
    CHECK(f.opens());
}

TEST_CASE("session: another verifier means another appraisal before anything opens",
          "[agent][session]") {
    Fixture f;
    f.one_attempt();
    auto strict = std::make_shared<FakeVerifier>();
    strict->says = FakeVerifier::Says::refused;
    f.session.replace_verifier(strict, 10min);
    CHECK_FALSE(f.opens());
    CHECK(f.num_ends == 1);
    f.one_attempt();
    CHECK_FALSE(f.opens());
}

TEST_CASE("session: a verifier that is replaced while it judges is not waited for",
          "[agent][session]") {
    Fixture f;
    std::promise<void> begun, let_go;
    f.verifier->during = [&] {
        begun.set_value();
        let_go.get_future().wait();
    };
    auto is_begun = begun.get_future();
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (is_begun.wait_for(0s) != std::future_status::ready) {
        REQUIRE(std::chrono::steady_clock::now() < give_up);
        f.io.restart();
        f.io.run_for(5ms);
    }
    const auto other = std::make_shared<FakeVerifier>();
    f.session.replace_verifier(other, 10min);
    let_go.set_value();
    const auto replaced = std::chrono::steady_clock::now();
    while (!f.opens() && std::chrono::steady_clock::now() < replaced + 10s) {
        f.io.restart();
        f.io.run_for(5ms);
    }
    CHECK(f.opens());
    // Far below the longest that the session sleeps.
    CHECK(std::chrono::steady_clock::now() - replaced < 5s);
}

namespace {

ReportData numbered(std::uint8_t first, std::uint8_t second) {
    ReportData out{};
    out[0] = first;
    out[1] = second;
    return out;
}

// Requests for evidence and what became of them.
struct Asking {
    explicit Asking(Fixture& fixture) : f(fixture) {}

    void ask(std::string workload, const ReportData& data) {
        ++num_asked;
        spawn(f.io, one(std::move(workload), data));
    }
    Task<void> one(std::string workload, ReportData data) {
        const auto evidence = co_await f.session.collect(std::move(workload), data);
        if (!evidence)
            errors.push_back(evidence.error().code);
        else if (equal(evidence->quote, data))
            ++num_got;
    }
    void finish() {
        const auto until = std::chrono::steady_clock::now() + 30s;
        while (num_got + static_cast<int>(errors.size()) < num_asked &&
               std::chrono::steady_clock::now() < until) {
            f.io.restart();
            f.io.run_for(5ms);
        }
    }
    int count(Errc code) const {
        return static_cast<int>(std::count(errors.begin(), errors.end(), code));
    }

    Fixture& f;
    int num_asked = 0, num_got = 0;
    std::vector<Errc> errors;
};

}  // namespace

TEST_CASE("session: workloads' evidence takes turns on the platform, and only so many wait",
          "[agent][session]") {
    Fixture f;
    f.one_attempt();
    Asking asking(f);
    for (std::uint8_t who = 0; who < 5; ++who) {
        for (std::uint8_t i = 0; i < 4; ++i)
            asking.ask("workload" + std::to_string(who), numbered(who, i));
    }
    f.renew();
    asking.finish();
    CHECK(asking.num_got == 16);
    CHECK(asking.count(Errc::too_busy) == 4);
    CHECK(f.platform.most == 1);
}

TEST_CASE("session: one workload does not take the places of all", "[agent][session]") {
    Fixture f;
    f.one_attempt();
    Asking asking(f);
    for (std::uint8_t i = 0; i < 10; ++i) asking.ask("greedy", numbered(1, i));
    asking.ask("modest", numbered(2, 0));
    asking.finish();
    CHECK(asking.num_got == 5);
    CHECK(asking.count(Errc::too_busy) == 6);
}

TEST_CASE("session: equal requests of one workload share an answer, those of two do not",
          "[agent][session]") {
    Fixture f;
    f.one_attempt();
    f.platform.takes = 20ms;
    f.platform.asked.clear();
    Asking asking(f);
    for (int i = 0; i < 30; ++i) asking.ask("app", numbered(1, 1));
    asking.ask("other", numbered(1, 1));
    asking.finish();
    CHECK(asking.num_got == 31);
    CHECK(f.platform.asked.size() == 2);
    // What was answered is over: the next one is asked for anew.
    asking.ask("app", numbered(1, 1));
    asking.finish();
    CHECK(f.platform.asked.size() == 3);
}

TEST_CASE("session: an error of the platform is every sharer's, and nobody else's",
          "[agent][session]") {
    Fixture f;
    f.one_attempt();
    f.platform.broken = Error{Errc::platform_wrong_echo, "stale"};
    Asking asking(f);
    asking.ask("app", numbered(1, 1));
    asking.ask("app", numbered(1, 1));
    asking.finish();
    CHECK(asking.count(Errc::platform_wrong_echo) == 2);
    f.platform.broken.reset();
    asking.ask("app", numbered(1, 1));
    asking.finish();
    CHECK(asking.num_got == 1);
    CHECK(f.opens());
}

TEST_CASE("session: its own renewal goes before the requests that wait", "[agent][session]") {
    Fixture f;
    f.one_attempt();
    f.platform.takes = 50ms;
    f.platform.asked.clear();
    Asking asking(f);
    for (std::uint8_t i = 0; i < 4; ++i) asking.ask("app", numbered(1, i));
    f.io.restart();
    f.io.run_for(5ms);  // the first is on the device
    f.session.renew_now();
    asking.finish();
    REQUIRE(f.platform.asked.size() == 5);
    CHECK(f.platform.asked[0] == numbered(1, 0));
    // The session's own report data is a digest; then the others, as they came.
    const auto own = f.platform.asked[1];
    CHECK(own != numbered(1, 1));
    CHECK(f.platform.asked[2] == numbered(1, 1));
    CHECK(f.platform.asked[4] == numbered(1, 3));
}

TEST_CASE("session: who waits for a device that hangs is told so at the deadline",
          "[agent][session]") {
    Fixture f;
    f.one_attempt();
    f.platform.takes = 1500ms;  // a request may take 1 s
    f.platform.asked.clear();
    Asking asking(f);
    asking.ask("app", numbered(1, 1));
    asking.ask("other", numbered(2, 2));
    asking.finish();
    CHECK(asking.num_got == 1);
    CHECK(asking.count(Errc::timed_out) == 1);
    CHECK(f.platform.asked.size() == 1);
    f.platform.takes = 1ms;
    asking.ask("other", numbered(2, 2));
    asking.finish();
    CHECK(asking.num_got == 2);
}

TEST_CASE(
    "session: what an appraisal lacks is passed on, whatever its outcome, and mends it once "
    "it came",
    "[agent][session][collateral]") {
    Fixture f;
    std::vector<EndorsementId> passed_on;
    Session::Hooks hooks;
    hooks.on_wanted = [&](const auto& ids) { passed_on = ids; };
    f.session.set_hooks(std::move(hooks));
    f.verifier->says = GENERATE(FakeVerifier::Says::undecided, FakeVerifier::Says::unreachable,
                                FakeVerifier::Says::refused, FakeVerifier::Says::accepted);
    f.verifier->wanted = {RootCrlId{}, QeIdentityId{true}};
    const auto want = f.verifier->wanted;
    f.one_attempt();
    CHECK(passed_on == want);
    passed_on.clear();
    const bool was_affirmed = f.opens();
    const auto attempts = f.session.status().num_attempts;
    f.verifier->says = FakeVerifier::Says::accepted;
    f.session.endorsements_came();
    if (was_affirmed) {
        // What is affirmed is renewed in its own time.
        f.io.restart();
        f.io.run_for(30ms);
        CHECK(f.session.status().num_attempts == attempts);
    } else {
        f.one_attempt();
        CHECK(f.opens());
    }
    CHECK(passed_on.empty());
}

TEST_CASE(
    "session: a verifier says what the evidence is to carry, and without its word none is made",
    "[agent][session]") {
    Fixture f;
    f.verifier->own_report_data = ReportData{1, 2, 3};
    f.one_attempt();
    REQUIRE(f.opens());
    CHECK(f.platform.asked.back() == *f.verifier->own_report_data);
    CHECK(f.verifier->num_mismatched == 0);
    f.verifier->no_challenge = Error{Errc::unavailable, "down"};
    const auto num_asked = f.platform.asked.size();
    f.renew();
    CHECK(f.platform.asked.size() == num_asked);
    CHECK(f.session.status().last == AttemptOutcome::unreachable);
    CHECK(f.opens());  // an outage: the earlier result serves
}

TEST_CASE("session: the verifier's token is there while its result is, and no longer",
          "[agent][session]") {
    Fixture f;
    f.one_attempt();
    CHECK(f.session.token(BootClock::now()) == nullptr);
    f.verifier->gives_token = true;
    f.renew();
    const auto token = f.session.token(BootClock::now());
    REQUIRE(token != nullptr);
    CHECK(token->text.expose([](ByteView text) { return as_text(text) == "token"; }));
    CHECK(f.session.token(BootClock::now() + 11min) == nullptr);
    f.verifier->says = FakeVerifier::Says::unreachable;
    f.renew();
    CHECK(f.session.token(BootClock::now()) == token);  // an outage ends nothing
    f.verifier->says = FakeVerifier::Says::refused;
    f.renew();
    CHECK(f.session.token(BootClock::now()) == nullptr);
    CHECK(token.use_count() == 1);
    f.verifier->says = FakeVerifier::Says::accepted;
    f.renew();
    REQUIRE(f.session.token(BootClock::now()) != nullptr);
    f.session.stop();
    CHECK(f.session.token(BootClock::now()) == nullptr);
}
