// A broker's token opens nothing but when everything about it is right.
#include "agent/kbs/token_judge.h"

#include <functional>

#include "quote/x509/pem.h"
#include "tests/support/jws_forge.h"
#include "tests/support/vectors.h"

namespace attestd::kbs::token_judge_test {
namespace {

using nlohmann::json;

constexpr std::int64_t kSeconds = 1'700'000'000;
constexpr Time kNow{std::chrono::seconds(kSeconds)};
const std::string kNonce = "nonce/+\"";
const json kJwk{
    {"kty", "EC"}, {"crv", "P-256"}, {"alg", "ECDH-ES+A256KW"}, {"x", "AA"}, {"y", "BB"}};

json submod_of(const std::string& status) {
    return {{"ear.status", status},
            {"ear.trustworthiness-vector", {{"hardware", 2}, {"executables", 3}}},
            {"ear.veraison.annotated-evidence",
             {{"runtime_data_claims",
               {{"nonce", kNonce}, {"tee-pubkey", kJwk}, {"additional-evidence", ""}}}}}};
}

json claims_of() {
    return {{"eat_profile", "tag:github.com,2024:confidential-containers/Trustee"},
            {"iat", kSeconds},
            {"exp", kSeconds + 300},
            {"submods", {{"cpu0", submod_of("affirming")}}}};
}

struct Setting {
    test::JwsForge forge{"P-256"};
    TokenSigners signers =
        TokenSigners::parse(as_bytes(to_pem("PUBLIC KEY", forge.spki())), "signer", std::nullopt)
            .value();

    Result<JudgedToken> judge(const json& claims, bool accept_warning = false) const {
        const TokenExpectations expected{&signers, kNonce, kJwk, accept_warning};
        return judge_token(forge.sign("ES256", claims.dump()), expected, kNow);
    }
};

}  // namespace

TEST_CASE("token: affirming, about our key and nonce, signed and in time", "[kbs]") {
    const Setting setting;
    const auto token = setting.judge(claims_of());
    REQUIRE_OK(token);
    CHECK(token->status() == "affirming");
    CHECK(token->expires() == kNow + std::chrono::seconds(300));
    CHECK(token->vector() == "cpu0.executables=3 cpu0.hardware=2");
    CHECK_FALSE(token->text().empty());
}

TEST_CASE("token: each claim that is wrong or missing has its error", "[kbs]") {
    struct Row {
        const char* name;
        std::function<void(json&)> change;
        Errc want;
    };
    const auto runtime = [](json& c) -> json& {
        return c["submods"]["cpu0"]["ear.veraison.annotated-evidence"]["runtime_data_claims"];
    };
    const std::vector<Row> rows{
        {"no exp", [](json& c) { c.erase("exp"); }, Errc::token_malformed},
        {"no iat", [](json& c) { c.erase("iat"); }, Errc::token_malformed},
        {"exp is text", [](json& c) { c["exp"] = "soon"; }, Errc::token_malformed},
        {"exp has a fraction", [](json& c) { c["exp"] = kSeconds + 1.5; }, Errc::token_malformed},
        {"exp is negative", [](json& c) { c["exp"] = -1; }, Errc::token_malformed},
        {"expires now", [](json& c) { c["exp"] = kSeconds; }, Errc::token_expired},
        {"expired", [](json& c) { c["exp"] = kSeconds - 1; }, Errc::token_expired},
        {"issued later", [](json& c) { c["iat"] = kSeconds + 61; }, Errc::token_expired},
        {"not before", [](json& c) { c["nbf"] = kSeconds + 61; }, Errc::token_expired},
        {"no submods", [](json& c) { c.erase("submods"); }, Errc::token_malformed},
        {"empty submods", [](json& c) { c["submods"] = json::object(); }, Errc::token_malformed},
        {"no cpu0",
         [](json& c) {
             c["submods"] = {{"gpu0", submod_of("affirming")}};
         },
         Errc::token_malformed},
        {"no evidence",
         [](json& c) { c["submods"]["cpu0"].erase("ear.veraison.annotated-evidence"); },
         Errc::token_malformed},
        {"runtime data is null", [&](json& c) { runtime(c) = nullptr; }, Errc::token_malformed},
        {"no nonce", [&](json& c) { runtime(c).erase("nonce"); }, Errc::token_malformed},
        {"another nonce", [&](json& c) { runtime(c)["nonce"] = kNonce + "x"; }, Errc::token_nonce},
        {"no key", [&](json& c) { runtime(c).erase("tee-pubkey"); }, Errc::token_malformed},
        {"another key", [&](json& c) { runtime(c)["tee-pubkey"]["x"] = "AB"; }, Errc::token_key},
        {"a key with more", [&](json& c) { runtime(c)["tee-pubkey"]["kid"] = "1"; },
         Errc::token_key},
        {"no status", [](json& c) { c["submods"]["cpu0"].erase("ear.status"); },
         Errc::token_malformed},
        {"status is a flag", [](json& c) { c["submods"]["cpu0"]["ear.status"] = true; },
         Errc::token_malformed},
        {"contraindicated by number", [](json& c) { c["submods"]["cpu0"]["ear.status"] = 96; },
         Errc::token_not_affirming},
        {"a vector that is worse than its status",
         [](json& c) { c["submods"]["cpu0"]["ear.trustworthiness-vector"]["hardware"] = 97; },
         Errc::token_not_affirming},
        {"contraindicated", [](json& c) { c["submods"]["cpu0"]["ear.status"] = "contraindicated"; },
         Errc::token_not_affirming},
        {"none", [](json& c) { c["submods"]["cpu0"]["ear.status"] = "none"; },
         Errc::token_not_affirming},
        {"warning", [](json& c) { c["submods"]["cpu0"]["ear.status"] = "warning"; },
         Errc::token_not_affirming},
        {"unknown", [](json& c) { c["submods"]["cpu0"]["ear.status"] = "Affirming"; },
         Errc::token_not_affirming},
        {"a device contraindicated",
         [](json& c) { c["submods"]["gpu0"] = submod_of("contraindicated"); },
         Errc::token_not_affirming},
        {"an empty status does not hide the next",
         [](json& c) {
             c["submods"]["cpu0"]["ear.status"] = "";
             c["submods"]["gpu0"] = submod_of("affirming");
         },
         Errc::token_not_affirming},
        {"an empty status does not hide the one before",
         [](json& c) {
             c["submods"]["cpu0"]["ear.status"] = "contraindicated";
             c["submods"]["gpu0"] = submod_of("");
             c["submods"]["gpu1"] = submod_of("affirming");
         },
         Errc::token_not_affirming},
        {"a device without a status", [](json& c) { c["submods"]["gpu0"] = json::object(); },
         Errc::token_malformed},
    };
    const Setting setting;
    for (const Row& row : rows) {
        INFO(row.name);
        json claims = claims_of();
        row.change(claims);
        REQUIRE_ERRC(row.want, setting.judge(claims));
    }
}

TEST_CASE("token: a warning opens where configuration says so, and nothing worse does", "[kbs]") {
    const Setting setting;
    json claims = claims_of();
    claims["submods"]["gpu0"] = submod_of("warning");
    REQUIRE_ERRC(Errc::token_not_affirming, setting.judge(claims));
    const auto token = setting.judge(claims, /*accept_warning=*/true);
    REQUIRE_OK(token);
    CHECK(token->status() == "warning");
    for (const char* const worse : {"none", "contraindicated", "fine"}) {
        claims["submods"]["gpu1"] = submod_of(worse);
        const auto refused = setting.judge(claims, /*accept_warning=*/true);
        REQUIRE_ERRC(Errc::token_not_affirming, refused);
        CHECK_THAT(refused.error().detail, test::ContainsSubstring("gpu1"));
    }
}

TEST_CASE("token: no signature but the pinned signer's counts", "[kbs]") {
    const Setting setting;
    const test::JwsForge stranger("P-256");
    const std::string payload = claims_of().dump();
    const TokenExpectations expected{&setting.signers, kNonce, kJwk};
    const json header{{"alg", "ES256"}, {"jwk", stranger.jwk()}};
    const std::string strange = stranger.sign("ES256", header, payload);
    REQUIRE_ERRC(Errc::token_signature, judge_token(strange, expected, kNow));
    REQUIRE_ERRC(
        Errc::token_algorithm,
        judge_token(stranger.sign("ES256", json{{"alg", "none"}}, payload), expected, kNow));
    // Only those who asked for it in so many words take the key that a token names.
    const TokenExpectations anybody{nullptr, kNonce, kJwk};
    REQUIRE_OK(judge_token(strange, anybody, kNow));
    REQUIRE_ERRC(Errc::token_untrusted,
                 judge_token(stranger.sign("ES256", payload), anybody, kNow));
    REQUIRE_ERRC(Errc::token_signature,
                 judge_token(setting.forge.sign("ES256", header, payload), anybody, kNow));
}

TEST_CASE("token: a payload that is no strict JSON is token_malformed", "[kbs]") {
    const Setting setting;
    const TokenExpectations expected{&setting.signers, kNonce, kJwk};
    for (const char* const payload : {"", "[]", "{", R"({"exp":1,"exp":2})", "null"}) {
        INFO(payload);
        REQUIRE_ERRC(Errc::token_malformed,
                     judge_token(setting.forge.sign("ES256", payload), expected, kNow));
    }
}

TEST_CASE("token: the recorded claims of a real broker are read, and are contraindicated",
          "[kbs]") {
    NEED_VECTORS(file, "kbs/ear-payload-sgx-trustee.json");
    json claims = json::parse(test::load_text(file));
    const Setting setting;
    REQUIRE_ERRC(Errc::token_expired, setting.judge(claims));
    claims["iat"] = kSeconds;
    claims["exp"] = kSeconds + 300;
    // It binds no key, as it was made without a handshake.
    REQUIRE_ERRC(Errc::token_malformed, setting.judge(claims));
    auto& cpu = claims["submods"]["cpu0"]["ear.veraison.annotated-evidence"];
    cpu["runtime_data_claims"] = {{"nonce", kNonce}, {"tee-pubkey", kJwk}};
    const auto refused = setting.judge(claims);
    REQUIRE_ERRC(Errc::token_not_affirming, refused);
    CHECK_THAT(refused.error().detail, test::ContainsSubstring("cpu0.hardware=97"));
}

}  // namespace attestd::kbs::token_judge_test
