// attestctl policy explain and secret rotate against a daemon that answers as told.
#include "tests/support/catch.h"
#include "tests/unit/cli/fake_daemon.h"
#include "tests/unit/cli/run_attestctl.h"

namespace attestd::test {
namespace {

CliRun explain_with(const std::string& answer_text) {
    FakeDaemon daemon(answer_text, std::string_view(R"({"pid":7,"secret":"a/b"})").size());
    CliRun run = attestctl(
        {"policy", "explain", "--caller", "7", "--secret", "a/b", "--admin-socket", daemon.path()});
    CHECK_THAT(daemon.request(), ContainsSubstring("POST /v1/admin/explain HTTP/1.1\r\n"));
    CHECK_THAT(daemon.request(), ContainsSubstring(R"({"pid":7,"secret":"a/b"})"));
    return run;
}

constexpr const char* kRefused =
    R"({"granted":false,"reason":"no-workload","detail":"no rule matches",
 "secret":"a/b","caller":{"pid":7,"uid":5,"gid":5,"unit":"x.service","listener":"app","listener_from":"assumed"},
 "workloads":[{"id":"app","allowed":true,"denied":false,"matches":false,"rules":[{"rule":0,"matches":false,
 "selectors":[{"selector":"uid","wanted":"6","found":"5","holds":false},{"selector":"unit","wanted":"x.service","found":"x.service","holds":true}]}]}],
 "nearest":{"workload":"app","rule":0,"matches":false,"failed":[{"selector":"uid","wanted":"6","found":"5"}]},
 "conditions":[{"condition":"claims.vmpl","wanted":"0","found":"1","holds":false}],
 "session":{"affirming":true,"last_attempt":"affirmed","verifier":"local","grade":"production"}})";

}  // namespace

TEST_CASE("policy explain: a refusal names the nearest rule and what of it fails, and exits 1",
          "[cli]") {
    const CliRun run = explain_with(answer("200 OK", kRefused));
    INFO(run.err);
    CHECK(run.status == 1);
    CHECK_THAT(run.out, ContainsSubstring("a/b: refused (no-workload)"));
    CHECK_THAT(run.out,
               ContainsSubstring("nearest   workloads.app.match[0]; uid must be 6, is 5\n"));
    CHECK_THAT(run.out, ContainsSubstring("NO  uid is 6, found 5"));
    CHECK_THAT(run.out, ContainsSubstring("yes unit is x.service, found x.service"));
    CHECK_THAT(run.out, ContainsSubstring("condition NO  claims.vmpl is 0, found 1"));
    CHECK_THAT(run.out, ContainsSubstring("listener app (assumed)"));
}

TEST_CASE("policy explain: exit status is the judgement's", "[cli]") {
    struct Row {
        const char* text;
        int status;
    };
    const auto row = GENERATE(values<Row>({
        {R"({"granted":true,"reason":"granted"})", 0},
        {R"({"granted":false,"reason":"claims"})", 1},
        {R"({"granted":false,"reason":"no-result","session":{"last_attempt":"refused"}})", 1},
        {R"({"granted":false,"reason":"no-result","session":{"last_attempt":"unreachable"}})", 3},
        {R"({"granted":false,"reason":"no-result","session":{"last_attempt":"none"}})", 3},
        {R"({"granted":"true"})", 1},
        {R"({})", 1},
        {R"([])", 1},
    }));
    INFO(row.text);
    CHECK(explain_with(answer("200 OK", row.text)).status == row.status);
}

TEST_CASE("policy explain: a pid that is nobody's is a wrong argument", "[cli]") {
    const CliRun run = explain_with(
        answer("403 Forbidden", R"({"code": "caller.exited", "detail": "no such process"})",
               "Content-Type: application/problem+json\r\n"));
    INFO(run.err);
    CHECK(run.status == 2);
    CHECK_THAT(run.err, ContainsSubstring("no such process"));
    CHECK(attestctl({"policy", "explain", "--caller", "0", "--secret", "a"}).status == 2);
    CHECK(attestctl({"policy", "explain", "--caller", "1", "--secret", "a//b"}).status == 2);
}

TEST_CASE("policy explain: what a process calls itself writes no escape sequences", "[cli]") {
    const CliRun run = explain_with(answer(
        "200 OK", R"({"granted":false,"secret":"a","caller":{"pid":7,"unit":"\u001b[2J"}})"));
    CHECK(run.out.find('\x1b') == std::string::npos);
    CHECK_THAT(run.out, ContainsSubstring("\\x1b[2J"));
}

TEST_CASE("secret rotate: length and alphabet go to the daemon, a given value as it is", "[cli]") {
    const std::string body = R"({"alphabet":"hex","len":40})";
    FakeDaemon made(answer("200 OK", R"({"version": 2})"), body.size());
    const CliRun random = attestctl({"secret", "rotate", "a", "--len", "40", "--alphabet", "hex",
                                     "--admin-socket", made.path()});
    INFO(random.err);
    CHECK(random.status == 0);
    CHECK_THAT(made.request(), ContainsSubstring("POST /v1/admin/secrets/a HTTP/1.1\r\n"));
    CHECK(made.request().ends_with("\r\n\r\n" + body));

    FakeDaemon given(answer("200 OK", R"({"version": 2})"), 4);
    const CliRun value = attestctl(
        {"secret", "rotate", "a", "--value", "-", "--admin-socket", given.path()}, "new\n");
    INFO(value.err);
    CHECK(value.status == 0);
    CHECK_THAT(given.request(),
               ContainsSubstring("PUT /v1/admin/secrets/a?existing=1 HTTP/1.1\r\n"));
    CHECK(given.request().ends_with("\r\n\r\nnew\n"));
    CHECK(attestctl({"secret", "rotate", "a", "--value", "-", "--len", "3"}).status == 2);
    CHECK(attestctl({"secret", "rotate", "a", "--alphabet", "runes"}).status == 2);
}

}  // namespace attestd::test
