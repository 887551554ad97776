// What answers of a verifier on the network mean when they are not what was asked for.
#include "agent/remote/service.h"

#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::service_test {
namespace {

using namespace remote_test;
using test::ContainsSubstring;

}  // namespace

TEST_CASE("remote service: each status has its own error, with the service's words", "[remote]") {
    struct Row {
        unsigned status;
        Asked asked;
        const char* body;
        Errc want;
        const char* says;
    };
    const Row rows[] = {
        {400, Asked::evidence, R"({"error":"bad quote"})", Errc::remote_verifier_refused,
         "status 400: bad quote"},
        {422, Asked::evidence, R"({"error":{"code":"C","message":"m"}})",
         Errc::remote_verifier_refused, "C: m"},
        {400, Asked::evidence, R"({"title":"T","detail":"d","status":400})",
         Errc::remote_verifier_refused, "T: d"},
        {400, Asked::evidence, R"({"Error":{"Code":"C","Message":"m"}})",
         Errc::remote_verifier_refused, "C: m"},
        {400, Asked::other, R"({"error":"bad"})", Errc::remote_verifier_protocol, "bad"},
        {401, Asked::evidence, "{}", Errc::remote_verifier_unauthorized, "API key"},
        {403, Asked::other, "no", Errc::remote_verifier_unauthorized, "status 403: no"},
        {401, Asked::evidence, R"({"error":{"code":"PolicyEvaluationError","message":"no"}})",
         Errc::remote_verifier_refused, "PolicyEvaluationError: no"},
        {500, Asked::evidence, R"({"error":{"code":"PolicyEvaluationError","message":"no"}})",
         Errc::remote_verifier_failed, "no"},
        {404, Asked::evidence, "<h1>\x07</h1>", Errc::remote_verifier_protocol, "\\u0007"},
        {402, Asked::evidence, R"({"error":"pay"})", Errc::remote_verifier_protocol, "pay"},
        {409, Asked::evidence, "", Errc::remote_verifier_protocol, "409"},
        {431, Asked::evidence, "", Errc::remote_verifier_protocol, "431"},
        {451, Asked::evidence, "", Errc::remote_verifier_protocol, "451"},
        {415, Asked::evidence, "", Errc::remote_verifier_protocol, "415"},
        {429, Asked::evidence, R"({"error":"slow"})", Errc::remote_verifier_throttled, "slow"},
        {500, Asked::other, "", Errc::remote_verifier_failed, "500"},
        {503, Asked::evidence, R"({"error":7})", Errc::remote_verifier_failed, "503"},
        {204, Asked::other, "", Errc::remote_verifier_protocol, "204"},
    };
    for (const Row& row : rows) {
        INFO(row.status << " " << row.body);
        const auto got = check_status(answered(row.status, row.body), {200}, row.asked, "step");
        REQUIRE_ERRC(row.want, got);
        CHECK_THAT(got.error().detail, ContainsSubstring(row.says));
        CHECK(got.error().detail.starts_with("step: "));
        CHECK(got.error().detail.size() < 400);
    }
    REQUIRE_OK(check_status(answered(201, ""), {200, 201}, Asked::other, "step"));
    const auto long_words =
        check_status(answered(400, std::string(5000, 'x')), {200}, Asked::evidence, "step");
    CHECK(long_words.error().detail.size() < 400);
}

TEST_CASE("remote service: a token's answer is an object with that text, and is wiped",
          "[remote]") {
    FetchResponse good = answered(200, R"({"token":"a.b.c","more":1})");
    const auto token = token_of(good, "token");
    REQUIRE_OK(token);
    CHECK(*token == "a.b.c");
    CHECK(good.body == Bytes(good.body.size(), 0));
    for (const char* body : {"", "[]", "{}", R"({"token":1})", R"({"token":"a","token":"b"})"}) {
        INFO(body);
        FetchResponse bad = answered(200, body);
        REQUIRE_ERRC(Errc::remote_verifier_protocol, token_of(bad, "token"));
    }
}

}  // namespace attestd::remote::service_test
