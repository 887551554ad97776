// What Vault answers: the table of its errors, and the forms of its successes.
#include "agent/hashivault/answer.h"

#include "tests/support/catch.h"

namespace attestd::hashivault::answer_test {
namespace {

Secret secret(std::string_view text) { return Secret::copy_of(as_bytes(text)).value(); }
std::string plain(const Result<Secret>& value) {
    REQUIRE_OK(value);
    return value->expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}
SecretFetchResponse answer(unsigned status, std::string_view type, std::string_view body) {
    SecretFetchResponse out{status, {}, secret(body)};
    if (!type.empty()) out.headers.emplace_back("content-type", std::string(type));
    return out;
}
const std::string kDeleted =
    R"({"data":{"data":null,"metadata":{"version":2,"deletion_time":"2026-01-01T00:00:00Z"}}})";

}  // namespace

TEST_CASE("Vault's errors: a status and a step give a code", "[hashivault]") {
    struct Row {
        unsigned status;
        Step step;
        std::string body;
        Errc want;
        Remedy remedy;
    };
    const std::string none = R"({"errors":[]})";
    const auto row = GENERATE_COPY(values<Row>({
        {400, Step::login, none, Errc::vault_unauthorized, Remedy::none},
        {403, Step::login, none, Errc::vault_unauthorized, Remedy::none},
        {404, Step::login, none, Errc::vault_refused, Remedy::none},
        {400, Step::read, none, Errc::vault_refused, Remedy::none},
        {400, Step::decrypt, none, Errc::vault_refused, Remedy::none},
        {403, Step::read, none, Errc::vault_denied, Remedy::login},
        {403, Step::renew, none, Errc::vault_denied, Remedy::login},
        {404, Step::read, none, Errc::vault_missing, Remedy::none},
        {404, Step::decrypt, none, Errc::vault_refused, Remedy::none},
        {404, Step::read, kDeleted, Errc::vault_deleted, Remedy::none},
        {405, Step::read, none, Errc::vault_refused, Remedy::none},
        {412, Step::read, none, Errc::vault_unavailable, Remedy::later},
        {429, Step::read, none, Errc::vault_throttled, Remedy::later},
        {429, Step::read, "<html>", Errc::vault_throttled, Remedy::later},
        {472, Step::read, none, Errc::vault_sealed, Remedy::later},
        {473, Step::read, none, Errc::vault_sealed, Remedy::later},
        {500, Step::login, none, Errc::vault_unavailable, Remedy::later},
        {501, Step::login, none, Errc::vault_sealed, Remedy::later},
        {502, Step::read, none, Errc::vault_unavailable, Remedy::later},
        {503, Step::login, none, Errc::vault_sealed, Remedy::later},
        {503, Step::read, "", Errc::vault_sealed, Remedy::later},
        {403, Step::read, "<html>", Errc::vault_protocol, Remedy::none},
        {404, Step::read, "{}", Errc::vault_protocol, Remedy::none},
        {400, Step::login, R"({"errors":"x"})", Errc::vault_protocol, Remedy::none},
        {204, Step::read, "", Errc::vault_protocol, Remedy::none},
        {302, Step::read, "", Errc::vault_protocol, Remedy::none},
    }));
    CAPTURE(row.status, row.body);
    const Error error = error_of(row.status, secret(row.body), row.step);
    CHECK(errc_name(error.code) == errc_name(row.want));
    CHECK(remedy_of(error.code) == row.remedy);
}

TEST_CASE("Vault's errors: its own words are told, escaped and cut", "[hashivault]") {
    const Error error = error_of(
        400, secret(R"({"errors":["error validating token: \u001bx","two"]})"), Step::login);
    CHECK(error.detail == "login: status 400: error validating token: \\u001bx; two");
    const std::string much = R"({"errors":[")" + std::string(5000, 'a') + "\"]}";
    CHECK(error_of(403, secret(much), Step::read).detail.size() < 300);
}

TEST_CASE("Vault's errors: a refusal is read without a copy, and a long one is not read",
          "[hashivault]") {
    const Secret most = secret(R"({"errors":[")" + std::string(60000, 'a') + "\"]}");
    const Secret over = secret(R"({"errors":[")" + std::string(65536, 'a') + "\"]}");
    std::vector<Secret> others;  // until no room for a copy is left
    for (std::size_t len = std::size_t{4} << 20; len > 4096;) {
        if (auto one = Secret::zeroed(len))
            others.push_back(*std::move(one));
        else
            len /= 2;
    }
    CHECK(error_of(403, most, Step::read).code == Errc::vault_denied);
    CHECK(error_of(403, over, Step::read).code == Errc::vault_protocol);
}

TEST_CASE("Vault's successes: 200 and JSON alone", "[hashivault]") {
    REQUIRE_OK(check_answer(answer(200, "application/json", "{}"), Step::read));
    REQUIRE_OK(check_answer(answer(200, "application/json; charset=utf-8", "{}"), Step::read));
    for (const char* const type : {"text/html", "", "application/jsonp"})
        REQUIRE_ERRC(Errc::vault_protocol, check_answer(answer(200, type, "{}"), Step::read));
    REQUIRE_ERRC(Errc::vault_denied, check_answer(answer(403, "application/json",
                                                         R"({"errors":["permission denied"]})"),
                                                  Step::read));
}

TEST_CASE("Vault's login: the token and its life", "[hashivault]") {
    const auto auth = parse_auth(
        secret(
            R"({"warnings":["w"],"wrap_info":null,"auth":{"client_token":"hvs.x","lease_duration":
               3600,"renewable":true,"num_uses":2,"policies":["a"]}})"),
        Step::login);
    REQUIRE_OK(auth);
    CHECK(auth->token.expose([](ByteView t) { return as_text(t) == "hvs.x"; }));
    CHECK(auth->duration == std::chrono::hours(1));
    CHECK(auth->renewable);
    CHECK(auth->num_uses == 2);
    for (const char* const body :
         {"{}", R"({"auth":null})", R"({"auth":{}})", R"({"auth":{"client_token":""}})",
          R"({"auth":{"client_token":7}})", R"({"auth":{"client_token":"a b"}})",
          R"({"auth":{"client_token":"a\r\nX: y"}})", R"({"auth":{"client_token":"a")",
          R"({"auth":{"client_token":"a","lease_duration":-1}})",
          R"({"auth":{"client_token":"a","renewable":"yes"}})",
          R"({"auth":{"client_token":"a"},"wrap_info":{"token":"w"}})"}) {
        CAPTURE(body);
        REQUIRE_ERRC(Errc::vault_protocol, parse_auth(secret(body), Step::login));
    }
}

TEST_CASE("Vault's KV version 2: a field, the whole, and the version", "[hashivault]") {
    const std::string body =
        R"({"data":{"data":{"a":"x","n":5},"metadata":{"version":3,"destroyed":false,"deletion_time":""}}})";
    const auto read = parse_kv2(secret(body), std::nullopt);
    REQUIRE_OK(read);
    CHECK(read->version == 3U);
    CHECK(plain(read->field("a")) == "x");
    CHECK(plain(read->field("")) == R"({"a":"x","n":5})");
    REQUIRE_ERRC(Errc::vault_field, read->field("n"));
    REQUIRE_ERRC(Errc::vault_field, read->field("other"));
    REQUIRE_OK(parse_kv2(secret(body), 3));
    REQUIRE_ERRC(Errc::vault_protocol, parse_kv2(secret(body), 2));
    REQUIRE_ERRC(Errc::vault_deleted, parse_kv2(secret(kDeleted), std::nullopt));
    REQUIRE_ERRC(
        Errc::vault_deleted,
        parse_kv2(secret(R"({"data":{"data":{},"metadata":{"version":1,"destroyed":true}}})"),
                  std::nullopt));
    for (const char* const bad :
         {R"({"data":{"data":{}}})", R"({"data":{"data":{},"metadata":{}}})",
          R"({"data":{"data":"x","metadata":{"version":1}}})",
          R"({"data":{"data":null,"metadata":{"version":1}}})",
          R"({"data":{"data":{},"metadata":{"version":0}}})",
          R"({"data":{"data":{},"metadata":{"version":1}},"wrap_info":{"token":"t"}})"}) {
        CAPTURE(bad);
        REQUIRE_ERRC(Errc::vault_protocol, parse_kv2(secret(bad), std::nullopt));
    }
}

TEST_CASE("Vault's other reads: a lease where there is one", "[hashivault]") {
    const auto read = parse_read(secret(
        R"({"lease_id":"database/creds/x/1","renewable":true,"lease_duration":60,"data":{"p":"v"}})"));
    REQUIRE_OK(read);
    REQUIRE(read->lease.has_value());
    CHECK(read->lease->id == "database/creds/x/1");
    CHECK(read->lease->duration == std::chrono::seconds(60));
    CHECK(read->lease->renewable);
    CHECK(plain(read->field("p")) == "v");
    const auto kv1 = parse_read(secret(R"({"lease_id":"","lease_duration":99,"data":{"p":"v"}})"));
    REQUIRE_OK(kv1);
    CHECK_FALSE(kv1->lease.has_value());
    REQUIRE_ERRC(Errc::vault_protocol, parse_read(secret(R"({"data":null})")));
    REQUIRE_ERRC(Errc::vault_protocol, parse_lease(secret(R"({"lease_id":""})")));
}

TEST_CASE("Vault's transit: base64 as it should be", "[hashivault]") {
    CHECK(plain(parse_plaintext(secret(R"({"data":{"plaintext":"AAEC/w=="}})"))) ==
          std::string("\x00\x01\x02\xff", 4));
    for (const char* const bad :
         {R"({"data":{}})", R"({"data":{"plaintext":"A"}})", R"({"data":{"plaintext":"AAEC/x=="}})",
          R"({"data":{"plaintext":"AA EC"}})", R"({"data":{"plaintext":1}})"})
        REQUIRE_ERRC(Errc::vault_protocol, parse_plaintext(secret(bad)));
}

}  // namespace attestd::hashivault::answer_test
