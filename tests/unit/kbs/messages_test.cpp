// The bodies of the handshake.
#include "agent/kbs/messages.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

namespace attestd::kbs::messages_test {

using nlohmann::json;

TEST_CASE("key broker: what auth says, with the members that configuration adds", "[kbs]") {
    const json offered{"sha384", "sha256", "sha512"};
    CHECK(json::parse(auth_body(KbsProtocol::v0_4_0, "tdx", offered_hashes(false), "")) ==
          json{{"version", "0.4.0"},
               {"tee", "tdx"},
               {"extra-params", {{"supported-hash-algorithms", offered}}}});
    CHECK(json::parse(
              auth_body(KbsProtocol::v0_2_0, "snp", offered_hashes(false), R"({"id":"ours"})")) ==
          json{{"version", "0.2.0"},
               {"tee", "snp"},
               {"extra-params", {{"supported-hash-algorithms", offered}, {"id", "ours"}}}});
    CHECK(json::parse(auth_body(KbsProtocol::v0_4_0, "az-tdx-vtpm", offered_hashes(true), ""))
              .at("extra-params") == json{{"supported-hash-algorithms", json::array({"sha384"})}});
}

TEST_CASE("key broker: what attest says in each version of the protocol", "[kbs]") {
    const std::string nonce = "n";
    const json jwk{{"kty", "EC"}};
    const json primary{{"quote", "AA=="}};
    Attestation attestation{nonce, jwk, primary};
    CHECK(json::parse(attest_body(KbsProtocol::v0_4_0, attestation)) ==
          json{{"init-data", nullptr},
               {"runtime-data", {{"nonce", "n"}, {"tee-pubkey", jwk}}},
               {"tee-evidence", {{"primary_evidence", primary}, {"additional_evidence", ""}}}});
    attestation.init_data = "a\n";
    CHECK(json::parse(attest_body(KbsProtocol::v0_4_0, attestation)).at("init-data") ==
          json{{"format", "toml"}, {"body", "a\n"}});
    CHECK(json::parse(attest_body(KbsProtocol::v0_2_0, attestation)) ==
          json{{"tee-pubkey", jwk}, {"tee-evidence", primary}});
}

TEST_CASE("key broker: a challenge is taken as it came, or refused", "[kbs]") {
    const auto parse = [](std::string_view text) {
        return parse_challenge(text, offered_hashes(false));
    };
    const auto good = parse(R"({"nonce":"a\"b","extra-params":"","new":1})");
    REQUIRE_OK(good);
    CHECK(good->nonce == "a\"b");
    CHECK(good->hash == HashName::sha384);
    CHECK(parse(json{{"nonce", std::string(kMaxNonceLen, 'x')}}.dump()).has_value());
    const auto bad =
        GENERATE(as<std::string>(), "", "[]", "{", R"({"extra-params":""})", R"({"nonce":1})",
                 R"({"nonce":""})", R"({"nonce":"a","nonce":"b"})", R"({"nonce":"\ud800"})");
    INFO(bad);
    REQUIRE_ERRC(Errc::kbs_protocol, parse(bad));
    REQUIRE_ERRC(Errc::kbs_protocol,
                 parse(json{{"nonce", std::string(kMaxNonceLen + 1, 'x')}}.dump()));
}

TEST_CASE("key broker: a token is taken out of its answer, or the answer is refused", "[kbs]") {
    const auto answer = [](std::string_view text) {
        return parse_token_answer(Secret::copy_of(as_bytes(text)).value());
    };
    CHECK(answer(R"({"more":[],"token":"a.b.c"})").value() ==
          Secret::copy_of(as_bytes("a.b.c")).value());
    const auto bad = GENERATE(as<std::string>(), "", "null", "{}", R"({"token":{}})", "a.b.c");
    REQUIRE_ERRC(Errc::kbs_protocol, answer(bad));
}

TEST_CASE("key broker: only UTF-8 can stand in a body", "[kbs]") {
    CHECK(is_utf8(""));
    CHECK(is_utf8("\xc3\xa4\n"));
    CHECK_FALSE(is_utf8("\xe4"));
}

}  // namespace attestd::kbs::messages_test
