// The request head, problems, and the small parsers of the routes.
#include "agent/api/http.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "agent/api/connection_limits.h"
#include "agent/api/request_parser.h"
#include "agent/api/routes.h"
#include "tests/support/catch.h"

using namespace attestd;

TEST_CASE("request head: what routes look at is found, and the body is left alone",
          "[agent][http]") {
    const std::string text =
        "PUT /v1/admin/secrets/a?source=s HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n"
        "If-None-Match: \"7\"\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nExpect: "
        "100-continue\r\n\r\nhello";
    const auto parsed = parse_head(text);
    REQUIRE_OK(parsed);
    REQUIRE(parsed->has_value());
    const RequestHead& head = **parsed;
    CHECK(head.method == Method::put);
    CHECK(head.target == "/v1/admin/secrets/a?source=s");
    CHECK(head.accept == "application/json");
    CHECK(head.if_none_match == "\"7\"");
    CHECK(head.content_type == "text/plain");
    CHECK(head.content_len == 5U);
    CHECK(head.expects_continue);
    CHECK(head.keep_alive);
    CHECK_FALSE(head.is_chunked);
    CHECK(head.head_len == text.size() - 5);
}

TEST_CASE("request head: cut anywhere, it is incomplete and never an error", "[agent][http]") {
    const std::string text = "GET /v1/secrets/a HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
    for (std::size_t len = 0; len < text.size(); ++len) {
        INFO(len);
        const auto parsed = parse_head(text.substr(0, len));
        REQUIRE_OK(parsed);
        CHECK_FALSE(parsed->has_value());
    }
    CHECK(parse_head(text)->has_value());
}

TEST_CASE("request head: what is not strictly HTTP/1.1 is refused", "[agent][http]") {
    const char* const text =
        GENERATE("GET\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                 "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                 "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
                 "GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                 "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                 "GET / HTTP/1.1\r\nA : b\r\n\r\n", "GET http://x/ HTTP/1.1\r\n\r\n",
                 "\x16\x03\x01\r\n\r\n");
    INFO(text);
    REQUIRE_ERRC(Errc::bad_request, parse_head(text));
}

TEST_CASE("request head: a chunked body is seen as such", "[agent][http]") {
    CHECK((*parse_head("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"))->is_chunked);
}

TEST_CASE("request head: the connection is kept unless the client says otherwise",
          "[agent][http]") {
    CHECK((*parse_head("GET / HTTP/1.1\r\n\r\n"))->keep_alive);
    CHECK_FALSE((*parse_head("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"))->keep_alive);
    CHECK_FALSE((*parse_head("GET / HTTP/1.0\r\n\r\n"))->keep_alive);
}

TEST_CASE("problem: its code is the stable name and its body is JSON, whatever the detail holds",
          "[agent][http]") {
    const Response response =
        problem(Errc::secret_unavailable, "quote \" backslash \\ line\nend \xff");
    CHECK(response.status == 404);
    CHECK(response.content_type == "application/problem+json");
    const auto json = nlohmann::json::parse(response.body);
    CHECK(json.at("code") == "secret.unavailable");
    CHECK(json.at("status") == 404);
}

TEST_CASE("problem: a grant that a renewal overtook asks the caller to come again",
          "[agent][http]") {
    const Response response = problem(Errc::grant_expired, errc_meaning(Errc::grant_expired));
    CHECK(response.status == 503);
    CHECK(nlohmann::json::parse(response.body).at("code") == "grant.expired");
}

TEST_CASE("problem: every code of the project has a status that says error", "[agent][http]") {
    for (const ErrcInfo& info : all_errcs()) {
        INFO(info.name);
        const unsigned status = status_of(info.code);
        CHECK(status >= 400);
        CHECK(status < 600);
        CHECK((status == 503 || reason_phrase(status) != "Service Unavailable"));
    }
}

TEST_CASE("problem: what provisioning refuses says whether to try again, and where the fault lies",
          "[agent][http]") {
    struct Row {
        Errc code;
        unsigned status;
    };
    const auto row = GENERATE(values<Row>({{Errc::provision_unknown, 404},
                                           {Errc::provision_consumed, 410},
                                           {Errc::provision_expired, 410},
                                           {Errc::provision_restarted, 410},
                                           {Errc::provision_exists, 409},
                                           {Errc::provision_binding, 403},
                                           {Errc::provision_machine, 403},
                                           {Errc::provision_disabled, 403},
                                           {Errc::jwe_undecrypted, 400},
                                           {Errc::jose_algorithm, 400},
                                           {Errc::jose_header, 400}}));
    INFO(errc_name(row.code));
    CHECK(status_of(row.code) == row.status);
}

TEST_CASE("problem: every code of the project has a row in the table of statuses",
          "[agent][http]") {
    for (const ErrcInfo& info : all_errcs()) {
        INFO(info.name);
        CHECK(has_status(info.code));
        for (const unsigned status : {status_behind(info.code), coco_status_behind(info.code)}) {
            CHECK(status >= 400);
            CHECK(status < 600);
            CHECK((status == 503 || reason_phrase(status) != "Service Unavailable"));
        }
    }
}

TEST_CASE("problem: what is malformed upstream is 502, whatever its family, and never 400",
          "[agent][http]") {
    // Names of secrets are checked before anybody is asked.
    constexpr std::array<Errc, 2> kOfRequests{Errc::bad_request, Errc::bad_name};
    for (const ErrcInfo& info : all_errcs()) {
        INFO(info.name);
        const bool is_of_request =
            std::find(kOfRequests.begin(), kOfRequests.end(), info.code) != kOfRequests.end();
        CHECK((is_of_request || status_behind(info.code) != 400));
        for (const std::string_view family : {"parse.", "jose."}) {
            if (info.name.starts_with(family)) CHECK(status_behind(info.code) == 502);
        }
        const bool says_protocol = info.name.ends_with(".protocol");
        if (says_protocol) CHECK(status_behind(info.code) == 502);
        if (info.name.ends_with(".timed-out")) CHECK(status_behind(info.code) == 504);
    }
}

TEST_CASE("problem: the statuses of spec/kbs.md section 7, by what failed", "[agent][http]") {
    struct Row {
        Errc code;
        unsigned own, behind, coco;
    };
    const auto row = GENERATE(values<Row>({{Errc::bad_json, 400, 502, 502},
                                           {Errc::too_large, 413, 502, 502},
                                           {Errc::secret_too_large, 413, 413, 413},
                                           {Errc::jwe_undecrypted, 400, 502, 502},
                                           {Errc::protocol, 502, 502, 502},
                                           {Errc::chain_signature, 503, 502, 502},
                                           {Errc::crl_signature, 503, 502, 502},
                                           {Errc::token_signature, 502, 502, 502},
                                           {Errc::token_not_affirming, 503, 503, 502},
                                           {Errc::kbs_denied, 403, 403, 403},
                                           {Errc::vault_denied, 403, 403, 403},
                                           {Errc::kbs_missing, 404, 404, 404},
                                           {Errc::vault_missing, 404, 404, 404},
                                           {Errc::vault_deleted, 404, 404, 404},
                                           {Errc::credential_missing, 404, 404, 404},
                                           {Errc::secret_unavailable, 404, 404, 404},
                                           {Errc::not_allowed, 403, 403, 404},
                                           {Errc::caller_unknown, 403, 403, 404},
                                           {Errc::peer_changed, 403, 403, 404},
                                           {Errc::kbs_failed, 503, 503, 502},
                                           {Errc::kbs_protocol, 502, 502, 502},
                                           {Errc::vault_sealed, 503, 503, 502},
                                           {Errc::vault_field, 502, 502, 502},
                                           {Errc::fetch_unreachable, 503, 503, 502},
                                           {Errc::fetch_tls, 502, 502, 502},
                                           {Errc::fetch_timed_out, 504, 504, 504},
                                           {Errc::timed_out, 504, 504, 504},
                                           {Errc::rate_limited, 429, 429, 429},
                                           {Errc::not_affirming, 503, 503, 503},
                                           {Errc::audit_failed, 503, 503, 503},
                                           {Errc::internal, 500, 500, 500}}));
    INFO(errc_name(row.code));
    CHECK(status_of(row.code) == row.own);
    CHECK(status_behind(row.code) == row.behind);
    CHECK(coco_status_behind(row.code) == row.coco);
}

TEST_CASE("query: a value is found by its whole key", "[agent][http]") {
    CHECK(query_value("wait=5", "wait") == "5");
    CHECK(query_value("a=1&wait=5&b=2", "wait") == "5");
    CHECK(query_value("await=1", "wait").empty());
    CHECK(query_value("waiting=1", "wait").empty());
    CHECK(query_value("wait", "wait").empty());
    CHECK(query_value("", "wait").empty());
}

TEST_CASE("If-None-Match: only one whole entity tag of ours counts", "[agent][http]") {
    CHECK(known_version("\"12\"") == 12U);
    const char* const odd = GENERATE("", "12", "\"", "\"\"", "\"x\"", "\"-1\"", "*", "W/\"1\"",
                                     "\"1\", \"2\"", "\"99999999999999999999\"");
    INFO(odd);
    CHECK_FALSE(known_version(odd).has_value());
}

TEST_CASE("admin: root, attestd's own user, and the group that the socket was given to",
          "[agent][http]") {
    ListenerConfig listener;
    Caller caller;
    caller.peer = {1, 4711, 4711};
    CHECK_FALSE(is_admin(caller, listener));
    caller.groups = {50};
    CHECK_FALSE(is_admin(caller, listener));
    listener.group = 50;
    CHECK(is_admin(caller, listener));
    caller.groups.clear();
    CHECK_FALSE(is_admin(caller, listener));
    caller.peer.gid = 50;
    CHECK(is_admin(caller, listener));
    Caller root;
    CHECK(is_admin(root, ListenerConfig{}));
}
