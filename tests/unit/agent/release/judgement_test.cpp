// judge(): which rule says no, for each rule there is, and what each condition compares.
#include "agent/release/judgement.h"

#include "agent/release/binding.h"
#include "agent/release/grant.h"
#include "quote/boot/boot_facts.h"
#include "tests/support/catch.h"
#include "verifier/internal/result_builder.h"

using namespace attestd;
using namespace std::chrono_literals;

namespace judgement_test {
namespace {

constexpr BootTime kNow{1000s};

SnpReport report() {
    SnpReport out{};
    out.version = 3;
    out.vmpl = 1;
    out.measurement.fill(0xaa);
    out.host_data.fill(0xbb);
    out.product = Product::milan;
    return out;
}

IntelQuote quote() {
    TdReport body{};
    body.mr_td.fill(0x11);
    body.mr_config_id.fill(0x22);
    return IntelQuote{QuoteHeader{}, body};
}

Affirmation session_of(Claims claims, Grade grade = Grade::production,
                       std::shared_ptr<const BootFacts> boot = nullptr) {
    const Tee tee = std::holds_alternative<IntelQuote>(claims) ? Tee::tdx : Tee::snp;
    ResultBuilder builder(tee, "test", Time(1000s), Sha256{});
    builder.grade(grade);
    builder.claims(std::move(claims));
    if (boot) builder.boot(std::move(boot));
    const AttestationResult result = std::move(builder).finish_verified(Time(2000s));
    return Affirmation{result.affirming().value(), 3, kNow + 60s, kNow - 30s, "local"};
}

ClaimCondition claim(std::string_view name, std::vector<ClaimValue> one_of) {
    return {claim_index(name).value(), std::move(one_of)};
}
ClaimCondition measurement(std::uint8_t byte) { return claim("measurement", {Bytes(48, byte)}); }
ClaimCondition vmpl(std::vector<ClaimValue> one_of) { return claim("vmpl", std::move(one_of)); }
ClaimCondition mrtd(std::uint8_t byte) { return claim("mrtd", {Bytes(48, byte)}); }

// Workloads 0 "app" and 1 "db"; secret "s" is for app, with these conditions.
Config policy(Conditions require = {}) {
    Config out;
    out.stores.emplace("store", StoreSourceConfig{});
    for (const char* id : {"app", "db"}) out.workloads.push_back(Workload{id, {}, false, false});
    SecretPolicy secret;
    secret.name = secret.resource = "s";
    secret.source = "store";
    secret.allow = {"app"};
    secret.deny = {"db"};
    secret.require = std::move(require);
    out.secrets.emplace("s", std::move(secret));
    return out;
}

Judgement judge_app(const Config& config, const std::optional<Affirmation>& session) {
    return judge(config, {0}, "s", session, kNow);
}

}  // namespace

TEST_CASE("judge: the release rules say which of them says no", "[agent][release]") {
    struct Row {
        const char* what;
        std::vector<std::uint32_t> callers;
        const char* name;
        Reason reason;
    };
    const auto row =
        GENERATE(values<Row>({{"allowed", {0}, "s", Reason::granted},
                              {"no such secret", {0}, "t", Reason::unknown_secret},
                              {"no such secret and no workload", {}, "t", Reason::unknown_secret},
                              {"no workload matches", {}, "s", Reason::no_workload},
                              {"denied", {1}, "s", Reason::denied},
                              {"denied by one, allowed by another", {0, 1}, "s", Reason::denied}}));
    INFO(row.what);
    const Config config = policy();
    CHECK(judge(config, row.callers, row.name, session_of(report()), kNow).reason == row.reason);
    SECTION("not allowed, where nobody is denied") {
        Config open = policy();
        open.secrets.at("s").deny.clear();
        CHECK(judge(open, {1}, "s", session_of(report()), kNow).reason == Reason::not_allowed);
    }
}

TEST_CASE("judge: every rule stands alone between a caller and a secret", "[agent][release]") {
    using Session = std::optional<Affirmation>;
    struct Row {
        Reason reason;
        void (*change)(Config&, SecretPolicy&, Session&);
    };
    const auto row = GENERATE(values<Row>({
        {Reason::granted, [](Config&, SecretPolicy&, Session&) {}},
        {Reason::protection,
         [](Config&, SecretPolicy& secret, Session&) {
             secret.source = "broker";
             secret.require.min_protection = Protection::end_to_end;
         }},
        {Reason::no_result, [](Config&, SecretPolicy&, Session& session) { session.reset(); }},
        {Reason::no_result,
         [](Config&, SecretPolicy&, Session& session) { session->expires = kNow; }},
        {Reason::test_grade, [](Config&, SecretPolicy&,
                                Session& session) { session = session_of(report(), Grade::test); }},
        {Reason::binding, [](Config& config, SecretPolicy&,
                             Session&) { config.config_binding = ConfigBinding::hostdata; }},
        {Reason::grade,
         [](Config&, SecretPolicy& secret, Session&) {
             secret.test = true;
             secret.require.grade = GradeCondition::test;
         }},
        {Reason::verifier,
         [](Config&, SecretPolicy& secret, Session&) {
             secret.require.verifiers = {"ita", "maa"};
         }},
        {Reason::max_age,
         [](Config&, SecretPolicy& secret, Session&) { secret.require.max_age = 30s; }},
        {Reason::claims, [](Config&, SecretPolicy& secret,
                            Session&) { secret.require.claims = {{measurement(0)}}; }},
    }));
    INFO(reason_name(row.reason));
    Config config = policy();
    SecretPolicy& secret = config.secrets.at("s");
    Session session = session_of(report());
    row.change(config, secret, session);
    const Judgement judgement = judge_app(config, session);
    CHECK(judgement.reason == row.reason);
    CHECK(judgement.secret == &secret);
    CHECK(judgement.workloads == std::vector<std::uint32_t>{0});
}

TEST_CASE("judge: what the caller may not know is one code, the platform's state another",
          "[agent][release]") {
    struct Row {
        Reason reason;
        Errc code;
    };
    const auto row = GENERATE(values<Row>({{Reason::unknown_secret, Errc::secret_unavailable},
                                           {Reason::no_workload, Errc::secret_unavailable},
                                           {Reason::not_allowed, Errc::secret_unavailable},
                                           {Reason::denied, Errc::secret_unavailable},
                                           {Reason::protection, Errc::secret_unavailable},
                                           {Reason::no_result, Errc::not_affirming},
                                           {Reason::test_grade, Errc::not_affirming},
                                           {Reason::binding, Errc::binding_mismatch},
                                           {Reason::grade, Errc::not_affirming},
                                           {Reason::verifier, Errc::not_affirming},
                                           {Reason::max_age, Errc::not_affirming},
                                           {Reason::claims, Errc::not_affirming}}));
    CHECK(errc_name(errc_of(row.reason)) == errc_name(row.code));
}

TEST_CASE("judge: claims must be among the values; one set of them must hold entirely",
          "[agent][release]") {
    struct Row {
        const char* what;
        std::vector<std::vector<ClaimCondition>> claims;
        bool holds;
    };
    const auto row = GENERATE(values<Row>({
        {"none asked", {}, true},
        {"the value", {{measurement(0xaa)}}, true},
        {"another value", {{measurement(0xab)}}, false},
        {"one of two", {{vmpl({std::uint64_t{0}, std::uint64_t{1}})}}, true},
        {"none of two", {{vmpl({std::uint64_t{0}, std::uint64_t{2}})}}, false},
        {"both", {{measurement(0xaa), vmpl({std::uint64_t{1}})}}, true},
        {"the second does not hold", {{measurement(0xaa), vmpl({std::uint64_t{0}})}}, false},
        {"the first does not hold", {{measurement(0), vmpl({std::uint64_t{1}})}}, false},
        {"the second set holds", {{mrtd(0x11)}, {measurement(0xaa)}}, true},
        {"half of each set holds",
         {{measurement(0xaa), vmpl({std::uint64_t{0}})},
          {measurement(0), vmpl({std::uint64_t{1}})}},
         false},
        {"a claim of other evidence", {{mrtd(0)}}, false},
        {"a claim that this version lacks",
         {{claim("launch_mit_vector", {std::uint64_t{0}})}},
         false},
    }));
    INFO(row.what);
    Conditions require;
    require.claims = row.claims;
    const Judgement judgement = judge_app(policy(require), session_of(report()));
    CHECK((judgement.reason == Reason::granted) == row.holds);
    if (!row.holds) CHECK(judgement.reason == Reason::claims);
}

TEST_CASE("judge: a refusal names the claim that came nearest and what it is", "[agent][release]") {
    Conditions require;
    require.claims = {{mrtd(0x11)}, {measurement(0xaa), vmpl({std::uint64_t{0}})}};
    const Judgement refused = judge_app(policy(require), session_of(report()));
    CHECK_THAT(refused.detail, test::ContainsSubstring("claim vmpl is 1"));
}

TEST_CASE("judge: the same policy serves both kinds of evidence by a set for each",
          "[agent][release]") {
    Conditions require;
    require.claims = {{mrtd(0x11)}, {measurement(0xaa)}};
    const Config config = policy(require);
    CHECK(judge_app(config, session_of(report())).reason == Reason::granted);
    CHECK(judge_app(config, session_of(quote())).reason == Reason::granted);
    CHECK(judge_app(config, session_of(std::monostate{})).reason == Reason::claims);
}

TEST_CASE("judge: grade, verifier and age hold at their bounds and not beyond",
          "[agent][release]") {
    Conditions require;
    SECTION("grade") {
        require.grade = GradeCondition::production;
        CHECK(judge_app(policy(require), session_of(report())).reason == Reason::granted);
        Config config = policy(require);
        config.secrets.at("s").test = true;
        CHECK(judge_app(config, session_of(report(), Grade::test)).reason == Reason::grade);
        config.secrets.at("s").require.grade = GradeCondition::test;
        CHECK(judge_app(config, session_of(report(), Grade::test)).reason == Reason::granted);
    }
    SECTION("verifier") {
        require.verifiers = {"ita", "local"};
        CHECK(judge_app(policy(require), session_of(report())).reason == Reason::granted);
        auto unnamed = session_of(report());
        unnamed.verifier = {};
        CHECK(judge_app(policy(require), unnamed).reason == Reason::verifier);
    }
    SECTION("age") {
        require.max_age = 30'001ms;
        const Judgement granted = judge_app(policy(require), session_of(report()));
        CHECK(granted.reason == Reason::granted);
        CHECK(granted.expires == kNow + 1ms);
        require.max_age = 1h;
        CHECK(judge_app(policy(require), session_of(report())).expires == kNow + 60s);
    }
}

TEST_CASE("decide: a grant ends when the evidence gets older than the secret asks",
          "[agent][release]") {
    Conditions require;
    require.max_age = 40s;
    auto config = std::make_shared<Config>(policy(require));
    MatchItem item;
    item.uid = 1000;
    config->workloads[0].match = {item};
    const PolicyPtr p = config;
    Caller caller;
    caller.peer = {1, 1000, 1};
    const auto session = std::make_optional(session_of(report()));
    const auto grant = decide(p, caller, "s", session, kNow);
    REQUIRE_OK(grant);
    CHECK(grant->holds(p, session, kNow + 9s));
    CHECK_FALSE(grant->holds(p, session, kNow + 10s));
    const auto refused = decide(p, caller, "s", session, kNow + 10s);
    REQUIRE_ERRC(Errc::not_affirming, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring("older than 40s"));
}

TEST_CASE("binding: the launch field must hold the configuration's digest", "[agent][release]") {
    Config config = policy();
    config.digest.fill(0xbb);
    config.digest_sha384.fill(0x22);
    const auto snp = session_of(report()), td = session_of(quote());
    const auto bound = [&](ConfigBinding binding, const Affirmation& session) {
        config.config_binding = binding;
        return check_binding(config, session.result.result());
    };
    REQUIRE_OK(bound(ConfigBinding::hostdata, snp));
    REQUIRE_OK(bound(ConfigBinding::mrconfigid, td));
    REQUIRE_OK(bound(ConfigBinding::none, snp));
    REQUIRE_OK(bound(ConfigBinding::image, td));
    SECTION("evidence that has no such field") {
        REQUIRE_ERRC(Errc::binding_mismatch, bound(ConfigBinding::hostdata, td));
        REQUIRE_ERRC(Errc::binding_mismatch, bound(ConfigBinding::mrconfigid, snp));
        REQUIRE_ERRC(Errc::binding_mismatch,
                     bound(ConfigBinding::hostdata, session_of(std::monostate{})));
    }
    SECTION("one bit of the digest is another") {
        config.digest.back() ^= 1;
        config.digest_sha384.front() ^= 0x80;
        const auto refused = bound(ConfigBinding::hostdata, snp);
        REQUIRE_ERRC(Errc::binding_mismatch, refused);
        CHECK_THAT(refused.error().detail,
                   test::ContainsSubstring("bbba"));  // the value to launch with
        REQUIRE_ERRC(Errc::binding_mismatch, bound(ConfigBinding::mrconfigid, td));
    }
    SECTION("a field that is all zero is nobody's digest") {
        REQUIRE_ERRC(Errc::binding_mismatch,
                     bound(ConfigBinding::hostdata, session_of(SnpReport{})));
    }
}

TEST_CASE("binding: the events of RTMR3 must name the configuration last", "[agent][release]") {
    Config config = policy();
    config.config_binding = ConfigBinding::rtmr3;
    config.digest.fill(0xbb);
    Sha256 other{};
    const auto bound = [&](std::vector<RuntimeEvent> events) {
        auto facts = std::make_shared<BootFacts>();
        facts->runtime_events = std::move(events);
        const Affirmation session = session_of(quote(), Grade::production, std::move(facts));
        return check_binding(config, session.result.result());
    };
    const RuntimeEvent own = config_event(config.digest), foreign = config_event(other);
    const RuntimeEvent pretended{"workload/app", own.operation, own.content};
    REQUIRE_OK(bound({own}));
    REQUIRE_OK(bound({foreign, own, {"workload/app", "started", ""}}));
    const auto refused = [&](std::vector<RuntimeEvent> events) {
        const auto outcome = bound(std::move(events));
        REQUIRE_ERRC(Errc::binding_mismatch, outcome);
        return outcome.error().detail;
    };
    CHECK_THAT(refused({}), test::ContainsSubstring("with is none, this one is bbbb"));
    CHECK_THAT(refused({own, foreign}), test::ContainsSubstring("with is 0000"));
    CHECK_THAT(refused({foreign, pretended}), test::ContainsSubstring("with is 0000"));
    const auto unexplained = check_binding(config, session_of(quote()).result.result());
    REQUIRE_ERRC(Errc::binding_mismatch, unexplained);
    CHECK_THAT(unexplained.error().detail, test::ContainsSubstring("no event log explains"));
}

TEST_CASE("conditions: each is told with what is wanted, what is found and whether it holds",
          "[agent][release]") {
    Conditions require;
    require.claims = {{vmpl({std::uint64_t{0}, std::uint64_t{1}}), measurement(0)}};
    require.verifiers = {"ita"};
    require.max_age = 40s;
    require.grade = GradeCondition::production;
    require.min_protection = Protection::end_to_end;
    const Config config = policy(require);
    const SecretPolicy& secret = config.secrets.at("s");
    const auto states = condition_states(config, secret, session_of(report()), kNow);
    std::vector<std::string> told;
    for (const auto& s : states)
        told.push_back(s.condition + (s.holds ? " holds: " : " fails: ") + s.found.substr(0, 12));
    CHECK(told == std::vector<std::string>{"min_protection holds: end_to_end",
                                           "grade holds: production", "verifier fails: local",
                                           "max_age holds: 30s", "claims.vmpl holds: 1",
                                           "claims.measurement fails: aaaaaaaaaaaa"});
    CHECK(states[4].wanted == "0 or 1");
    for (const auto& s : condition_states(config, secret, std::nullopt, kNow))
        CHECK((s.condition == "min_protection" || !s.holds));
}

TEST_CASE(
    "judge: a token is for the workload that has a grant of it, on a result as good as for any "
    "secret",
    "[agent][release]") {
    Config config = policy();
    TokenGrant of_broker;
    of_broker.policy.name = "token:broker";
    of_broker.policy.source = "broker";
    of_broker.audience = "https://a.example";
    TokenGrant of_verifier;
    of_verifier.policy.name = "token:verifier";
    config.workloads[0].tokens = {of_broker, of_verifier};
    const auto session = session_of(report());
    const auto reason = [&](std::vector<std::uint32_t> callers, const TokenWish& wish) {
        return judge_token(config, callers, wish, session, kNow).reason;
    };
    CHECK(reason({0}, {"https://a.example"}) == Reason::granted);
    CHECK(reason({0}, {"", "broker"}) == Reason::granted);
    CHECK(reason({0}, {"", ""}) == Reason::granted);
    CHECK(reason({0}, {"https://b.example"}) == Reason::not_allowed);
    CHECK(reason({0}, {"", "another"}) == Reason::not_allowed);
    CHECK(reason({1}, {"https://a.example"}) == Reason::not_allowed);
    CHECK(reason({}, {"https://a.example"}) == Reason::no_workload);
    const TokenWish wish{"https://a.example"};
    CHECK(judge_token(config, {0}, wish, std::nullopt, kNow).reason == Reason::no_result);
    CHECK(judge_token(config, {0}, wish, session, kNow + 60s).reason == Reason::no_result);
    const auto test = session_of(report(), Grade::test);
    CHECK(judge_token(config, {0}, wish, test, kNow).reason == Reason::test_grade);
    config.workloads[0].tokens[0].policy.test = true;
    CHECK(judge_token(config, {0}, wish, test, kNow).reason == Reason::granted);
}

TEST_CASE(
    "judge: of several workloads that may have a token, one that may have its key speaks where "
    "a key is asked for",
    "[agent][release]") {
    Config config = policy();
    TokenGrant grant;
    grant.policy.name = "token:broker";
    grant.policy.source = "broker";
    config.workloads[0].tokens = config.workloads[1].tokens = {grant};
    config.workloads[1].export_key = true;
    const auto speaker = [&](bool prefers_key) {
        const TokenWish wish{"", "broker", prefers_key};
        return judge_token(config, {0, 1}, wish, session_of(report()), kNow).workloads;
    };
    CHECK(speaker(/*prefers_key=*/false) == std::vector<std::uint32_t>{0});
    CHECK(speaker(/*prefers_key=*/true) == std::vector<std::uint32_t>{1});
}

}  // namespace judgement_test
