// What a broker's answers mean.
#include "agent/kbs/answer.h"

#include "tests/support/catch.h"

namespace attestd::kbs::answer_test {
namespace {

FetchResponse answer_of(unsigned status, std::string_view body) {
    FetchResponse out;
    out.status = status;
    out.body = to_bytes(as_bytes(body));
    return out;
}

std::string named(std::string_view name, std::string_view detail) {
    return std::string(R"({"type":"https://github.com/confidential-containers/kbs/errors/)")
        .append(name)
        .append(R"(","detail":")")
        .append(detail)
        .append("\"}");
}

Errc code_for(unsigned status, const std::string& body, Step step) {
    return error_of(answer_of(status, body), step, KbsProtocol::v0_4_0).code;
}

}  // namespace

TEST_CASE("key broker: an error is judged by its name, and what is done follows", "[kbs]") {
    struct Row {
        const char* name;
        const char* detail;
        Step step;
        Errc want;
        Remedy remedy;
    };
    const auto row = GENERATE(values<Row>({
        {"AttestationError",
         "Attestation error: RCAR handshake Auth failed: KBS Client Protocol Version Mismatch: "
         "expect =0.3.0 while the request is 0.4.0",
         Step::auth, Errc::kbs_version, Remedy::none},
        {"AttestationError", "RCAR handshake Attest failed", Step::attest, Errc::kbs_refused,
         Remedy::none},
        {"AttestationError", "the Session has expired", Step::attest, Errc::kbs_unauthorized,
         Remedy::new_session},
        {"TokenNotFound", "", Step::read, Errc::kbs_unauthorized, Remedy::new_session},
        {"TokenVerifierError", "expired", Step::read, Errc::kbs_unauthorized, Remedy::new_session},
        {"PolicyDeny", "", Step::read, Errc::kbs_denied, Remedy::none},
        {"PluginInternalError", "", Step::read, Errc::kbs_missing, Remedy::none},
        {"PluginNotFound", "", Step::read, Errc::kbs_missing, Remedy::none},
        {"InvalidRequestPath", "", Step::read, Errc::kbs_missing, Remedy::none},
        {"JweError", "", Step::read, Errc::kbs_key, Remedy::none},
        {"PolicyEngineError", "", Step::read, Errc::kbs_missing, Remedy::none},
        {"RvpsError", "", Step::attest, Errc::kbs_refused, Remedy::none},
        {"SerdeError", "", Step::auth, Errc::kbs_refused, Remedy::none},
        {"ParsePolicyError", "", Step::read, Errc::kbs_missing, Remedy::none},
    }));
    INFO(row.name << ": " << row.detail);
    for (const unsigned status : {401U, 403U, 404U}) {
        const Errc code = code_for(status, named(row.name, row.detail), row.step);
        CHECK(errc_name(code) == errc_name(row.want));
        CHECK(remedy_of(code) == row.remedy);
    }
    CHECK(code_for(500, named(row.name, row.detail), row.step) == Errc::kbs_failed);
    CHECK(code_for(429, named(row.name, row.detail), row.step) == Errc::kbs_throttled);
}

TEST_CASE("key broker: an unknown name means a new handshake with status 401 alone", "[kbs]") {
    const std::string older = named("AttestationFailed", "an older name");
    CHECK(code_for(401, older, Step::attest) == Errc::kbs_unauthorized);
    CHECK(code_for(401, older, Step::read) == Errc::kbs_unauthorized);
    for (const unsigned status : {400U, 403U, 404U}) {
        CHECK(code_for(status, older, Step::attest) == Errc::kbs_refused);
        CHECK(code_for(status, older, Step::read) == Errc::kbs_missing);
    }
}

TEST_CASE("key broker: pages that are no error of a broker's are told with their first bytes",
          "[kbs]") {
    for (const char* const body :
         {"<html>\x07</html>", "", "{}", "[1]", R"({"type":"about:blank"})",
          R"({"type":1,"detail":"x"})", "\xff\xfe"}) {
        INFO(body);
        for (const unsigned status : {204U, 302U, 401U, 403U, 404U, 409U})
            CHECK(code_for(status, body, Step::read) == Errc::kbs_protocol);
    }
    const Error page = error_of(answer_of(403, "a\x1b[31m" + std::string(500, 'x')), Step::read,
                                KbsProtocol::v0_4_0);
    CHECK_THAT(page.detail, test::ContainsSubstring("status 403"));
    CHECK_THAT(page.detail, test::ContainsSubstring("a\\u001b[31m"));
    CHECK(page.detail.size() < 300);
    const Error version = error_of(
        answer_of(401, named("AttestationError", "KBS Client Protocol Version Mismatch: =0.2.0")),
        Step::auth, KbsProtocol::v0_4_0);
    CHECK_THAT(version.detail, test::ContainsSubstring("=0.2.0; this source is configured for "
                                                       "protocol 0.4.0"));
}

TEST_CASE("key broker: a pause is made for what may pass, and for nothing else", "[kbs]") {
    for (const Errc code :
         {Errc::kbs_failed, Errc::kbs_throttled, Errc::fetch_unreachable, Errc::fetch_timed_out,
          Errc::fetch_truncated, Errc::fetch_process, Errc::too_busy, Errc::timed_out,
          Errc::unavailable, Errc::memory_locked})
        CHECK(remedy_of(code) == Remedy::later);
    for (const Errc code :
         {Errc::fetch_tls, Errc::fetch_denied, Errc::fetch_redirected, Errc::fetch_too_large,
          Errc::fetch_protocol, Errc::kbs_protocol, Errc::token_nonce, Errc::jwe_undecrypted})
        CHECK(remedy_of(code) == Remedy::none);
}

TEST_CASE("key broker: a success is JSON, where it says what it is", "[kbs]") {
    const auto typed = [](const char* type) {
        FetchResponse answer = answer_of(200, "{}");
        if (type != nullptr) answer.headers.emplace_back("content-type", type);
        return check_answer(answer, Step::read, KbsProtocol::v0_4_0);
    };
    for (const char* const good :
         {static_cast<const char*>(nullptr), "application/json", "Application/JSON; charset=utf-8"})
        REQUIRE_OK(typed(good));
    for (const char* const bad : {"text/html", "text/xml", "application/jsonp", "application/jose"})
        REQUIRE_ERRC(Errc::kbs_protocol, typed(bad));
}

TEST_CASE("key broker: the session's cookie is found by its name, once", "[kbs]") {
    using Cookies = std::vector<std::string>;
    const auto taken = [](const Cookies& cookies) {
        FetchResponse answer;
        for (const auto& cookie : cookies) answer.headers.emplace_back("set-cookie", cookie);
        return session_cookie_of(answer);
    };
    CHECK(taken({"kbs-session-id=0af; Expires=Thu, 01 Jan 2099 00:00:00 GMT"}).value() == "0af");
    CHECK(taken({"other=1", "kbs-session-id=0af"}).value() == "0af");
    CHECK(taken({"kbs-session-id=0af", "kbs-session-id=0af; Path=/"}).value() == "0af");
    const auto bad = GENERATE(values<Cookies>({{},
                                               {"other=1"},
                                               {"kbs-session-id="},
                                               {"kbs-session-id=; x"},
                                               {"kbs-session-id=a b"},
                                               {"kbs-session-id=a\r\nX: y"},
                                               {"kbs-session-id=a", "kbs-session-id=b"},
                                               {"kbs-session-id=" + std::string(300, 'a')}}));
    REQUIRE_ERRC(Errc::kbs_protocol, taken(bad));
}

TEST_CASE("key broker: Retry-After is a number of seconds, an hour at most", "[kbs]") {
    const auto asked = [](const char* text) {
        FetchResponse answer;
        answer.headers.emplace_back("retry-after", text);
        return parse_retry_after(answer.header("retry-after"));
    };
    CHECK(asked("7") == std::chrono::seconds(7));
    CHECK(asked("999999") == std::chrono::seconds(3600));
    for (const char* const bad :
         {"", "-1", "1s", "Wed, 21 Oct 2015 07:28:00 GMT", "99999999999999999999"})
        CHECK_FALSE(asked(bad).has_value());
    CHECK_FALSE(parse_retry_after("").has_value());
}

}  // namespace attestd::kbs::answer_test
