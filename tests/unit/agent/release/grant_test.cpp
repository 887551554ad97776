// decide(): who gets what, under which session, for how long.
#include "agent/release/grant.h"

#include "tests/support/catch.h"
#include "verifier/internal/result_builder.h"

namespace attestd::grant_test {
using namespace std::chrono_literals;

namespace {

constexpr BootTime kNow{1000s};

AffirmingResult affirming(Grade grade) {
    ResultBuilder builder(Tee::snp, "snp-report-v3", Time(1000s), Sha256{});
    builder.grade(grade);
    const AttestationResult result = std::move(builder).finish_verified(Time(2000s));
    return result.affirming().value();
}

Affirmation session_of(Grade grade, std::uint64_t epoch = 3, BootTime expires = kNow + 60s) {
    return Affirmation{affirming(grade), epoch, expires};
}

Workload workload(std::string id, uid_t uid) {
    MatchItem item;
    item.uid = uid;
    return Workload{std::move(id), {item}, /*allow_root=*/false, /*raw_evidence=*/false};
}

SecretPolicy secret(std::string name, std::vector<std::string> allow,
                    std::vector<std::string> deny = {}) {
    SecretPolicy out;
    out.name = out.resource = std::move(name);
    out.source = "store";
    out.allow = std::move(allow);
    out.deny = std::move(deny);
    return out;
}

// Uid 1000 is "app" and "both", 1001 is "db", 1002 is "both" only.
PolicyPtr policy() {
    auto out = std::make_shared<Config>();
    out->stores.emplace("store", StoreSourceConfig{});
    Workload both = workload("both", 1000);
    both.match.push_back(workload("", 1002).match.front());
    out->workloads = {workload("app", 1000), both, workload("db", 1001)};
    for (auto s : {secret("plain", {"app"}), secret("denied", {"app"}, {"both"}),
                   secret("nobody", {}), secret("two", {"app", "both", "db"})}) {
        out->secrets.emplace(s.name, s);
    }
    auto for_tests = secret("for-tests", {"app"});
    for_tests.test = true;
    out->secrets.emplace("for-tests", for_tests);
    auto brought = secret("brought", {"app"});
    brought.source = "broker";
    brought.require.min_protection = Protection::end_to_end;
    out->secrets.emplace("brought", brought);
    return out;
}

Caller caller(uid_t uid) {
    Caller out;
    out.peer = {1, uid, 1};
    return out;
}

Result<Grant> judge(const PolicyPtr& p, uid_t uid, std::string_view name,
                    const std::optional<Affirmation>& session = session_of(Grade::production)) {
    return decide(p, caller(uid), name, session, kNow);
}

}  // namespace

TEST_CASE("decide: a workload that policy allows gets a grant of this session and policy",
          "[agent][release]") {
    const auto p = policy();
    const auto grant = judge(p, 1000, "two");
    REQUIRE_OK(grant);
    CHECK(grant->secret().name == "two");
    CHECK(grant->workloads() == std::vector<std::uint32_t>{0, 1});
    CHECK(grant->epoch() == 3);
    CHECK(grant->expires() == kNow + 60s);
}

TEST_CASE("decide: what is not allowed looks like what does not exist", "[agent][release]") {
    struct Row {
        const char* why;
        uid_t uid;
        const char* name;
    };
    const auto row = GENERATE(values<Row>({{"no such secret", 1000, "none"},
                                           {"not allowed", 1001, "plain"},
                                           {"no workload at all", 4711, "plain"},
                                           {"root without allow_root", 0, "plain"},
                                           {"allowed to nobody", 1000, "nobody"},
                                           {"denied by another of its workloads", 1000, "denied"},
                                           {"empty name", 1000, ""}}));
    INFO(row.why);
    const auto refused = judge(policy(), row.uid, row.name);
    REQUIRE_ERRC(Errc::secret_unavailable, refused);
    CHECK(refused.error().detail == judge(policy(), 1000, "none").error().detail);
}

TEST_CASE("decide: a session that does not affirm is told only to who would be allowed",
          "[agent][release]") {
    const auto p = policy();
    SECTION("no session") {
        REQUIRE_ERRC(Errc::not_affirming, judge(p, 1000, "plain", std::nullopt));
        REQUIRE_ERRC(Errc::secret_unavailable, judge(p, 1001, "plain", std::nullopt));
        REQUIRE_ERRC(Errc::secret_unavailable, judge(p, 1000, "none", std::nullopt));
    }
    SECTION("expired at this very moment") {
        REQUIRE_ERRC(Errc::not_affirming,
                     judge(p, 1000, "plain", session_of(Grade::production, 3, kNow)));
        REQUIRE_OK(judge(p, 1000, "plain", session_of(Grade::production, 3, kNow + 1ns)));
    }
}

TEST_CASE("decide: a test-grade result releases only what is marked for tests",
          "[agent][release]") {
    const auto p = policy();
    REQUIRE_ERRC(Errc::not_affirming, judge(p, 1000, "plain", session_of(Grade::test)));
    REQUIRE_OK(judge(p, 1000, "for-tests", session_of(Grade::test)));
    REQUIRE_OK(judge(p, 1000, "for-tests", session_of(Grade::production)));
}

TEST_CASE("decide: a secret that demands more protection than its source gives is not released",
          "[agent][release]") {
    REQUIRE_ERRC(Errc::secret_unavailable, judge(policy(), 1000, "brought"));
}

TEST_CASE("grant: it holds under its own session and policy, until it expires",
          "[agent][release]") {
    const auto p = policy();
    const auto session = std::make_optional(session_of(Grade::production));
    const auto grant = judge(p, 1000, "plain", session);
    REQUIRE_OK(grant);
    CHECK(grant->holds(p, session, kNow));
    CHECK(grant->holds(p, session, kNow + 59s));
    SECTION("not at its end") { CHECK_FALSE(grant->holds(p, session, kNow + 60s)); }
    SECTION("not without a session") { CHECK_FALSE(grant->holds(p, std::nullopt, kNow)); }
    SECTION("not under a later epoch") {
        CHECK_FALSE(grant->holds(p, session_of(Grade::production, 4), kNow));
    }
    SECTION("not under a policy loaded since, even an equal one") {
        CHECK_FALSE(grant->holds(policy(), session, kNow));
    }
    SECTION("not when the session's end came nearer") {
        CHECK_FALSE(grant->holds(p, session_of(Grade::production, 3, kNow), kNow));
    }
}

}  // namespace attestd::grant_test
