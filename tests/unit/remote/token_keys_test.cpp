// Key sets: when they are fetched, how long they are kept, and which of their keys count.
#include "agent/remote/token_keys.h"

#include "quote/x509/pem.h"
#include "tests/unit/remote/remote_samples.h"

namespace attestd::remote::token_keys_test {
namespace {

using namespace remote_test;
using nlohmann::json;

struct Setting {
    test::JwsForge old_key{"P-256"}, new_key{"P-256"};
    std::shared_ptr<ScriptedNetwork> network = std::make_shared<ScriptedNetwork>();
    std::shared_ptr<BootTime> boot = std::make_shared<BootTime>(std::chrono::hours(1));
    std::optional<TokenKeys> keys;

    explicit Setting(std::optional<std::string> signer_pem = std::nullopt) {
        RemoteVerifierConfig config;
        config.token_keys_url = "https://v.example/certs";
        if (signer_pem)
            config.token_signer = LoadedFile{"/ca.pem", to_bytes(as_bytes(*signer_pem))};
        auto made = TokenKeys::make(config, network, [at = boot] { return *at; });
        REQUIRE_OK(made);
        keys = *std::move(made);
    }
    void publish(const std::vector<json>& jwks, const char* control = nullptr) {
        FetchResponse answer = answered(200, key_set(jwks));
        if (control != nullptr) answer.headers.emplace_back("cache-control", control);
        network->answers.insert_or_assign("/certs", std::move(answer));
    }
    Result<void> by(const test::JwsForge& key, const std::string& kid) {
        const auto token =
            Jws::parse(key.sign("ES256", {{"alg", "ES256"}, {"kid", kid}}, sound_claims().dump()));
        REQUIRE_OK(token);
        return keys->verify(*token, kNow, soon());
    }
    std::size_t fetched() const { return network->count("/certs"); }
};

}  // namespace

TEST_CASE("key set: a rotated key is found by one more fetch, once a minute at most", "[remote]") {
    Setting s;
    s.publish({named_jwk(s.old_key, "old")});
    REQUIRE_OK(s.by(s.old_key, "old"));
    REQUIRE_OK(s.by(s.old_key, "old"));
    CHECK(s.fetched() == 1);
    s.publish({named_jwk(s.new_key, "new")});
    // The minute is not over: nothing was learnt, so this is no refusal.
    REQUIRE_ERRC(Errc::remote_verifier_failed, s.by(s.new_key, "new"));
    CHECK(s.fetched() == 1);
    *s.boot += std::chrono::seconds(61);
    REQUIRE_OK(s.by(s.new_key, "new"));
    CHECK(s.fetched() == 2);
    // What is published no more signs no more; nor is that known before the set is asked for again.
    REQUIRE_ERRC(Errc::remote_verifier_failed, s.by(s.old_key, "old"));
    *s.boot += std::chrono::seconds(61);
    REQUIRE_ERRC(Errc::token_untrusted, s.by(s.old_key, "old"));
    CHECK(s.fetched() == 3);
    // A wrong signature by a known name is no reason to fetch.
    *s.boot += std::chrono::seconds(61);
    REQUIRE_ERRC(Errc::token_signature, s.by(s.old_key, "new"));
    CHECK(s.fetched() == 3);
}

TEST_CASE("key set: it is kept as long as the service says, within 5 minutes and a day",
          "[remote]") {
    const auto [control, kept] = GENERATE(table<const char*, int>({{nullptr, 300},
                                                                   {"no-store", 300},
                                                                   {"max-age=10", 300},
                                                                   {"public, max-age=1000", 1000},
                                                                   {"max-age=9999999", 86400},
                                                                   {"max-age=x", 300}}));
    Setting s;
    s.publish({named_jwk(s.old_key, "1")}, control);
    REQUIRE_OK(s.by(s.old_key, "1"));
    *s.boot += std::chrono::seconds(kept - 1);
    REQUIRE_OK(s.by(s.old_key, "1"));
    CHECK(s.fetched() == 1);
    *s.boot += std::chrono::seconds(1);
    REQUIRE_OK(s.by(s.old_key, "1"));
    CHECK(s.fetched() == 2);
}

TEST_CASE("key set: one that cannot be had is an outage, by name", "[remote]") {
    Setting s;
    REQUIRE_ERRC(Errc::fetch_unreachable, s.by(s.old_key, "1"));
    s.network->answers.insert_or_assign("/certs", answered(500, "no"));
    REQUIRE_ERRC(Errc::remote_verifier_failed, s.by(s.old_key, "1"));
    s.network->answers.insert_or_assign("/certs", answered(200, "[]"));
    REQUIRE_ERRC(Errc::remote_verifier_protocol, s.by(s.old_key, "1"));
    s.network->answers.insert_or_assign("/certs", answered(200, R"({"keys":[],"keys":[]})"));
    REQUIRE_ERRC(Errc::remote_verifier_protocol, s.by(s.old_key, "1"));
}

TEST_CASE("key set: entries of other kinds are passed over", "[remote]") {
    Setting s;
    json encrypts = named_jwk(s.old_key, "1");
    encrypts["use"] = "enc";
    json is_private = named_jwk(s.old_key, "1");
    is_private["d"] = "AA";
    s.publish({json{{"kid", "1"}, {"kty", "oct"}, {"k", "AAAA"}}, json{{"kid", 7}}, encrypts,
               is_private, json("x")});
    REQUIRE_ERRC(Errc::token_untrusted, s.by(s.old_key, "1"));
    *s.boot += std::chrono::hours(1);
    s.publish({json{{"kid", "1"}, {"kty", "oct"}, {"k", "AAAA"}}, named_jwk(s.old_key, "1")});
    REQUIRE_OK(s.by(s.old_key, "1"));
}

TEST_CASE("key set: beside a pinned authority, keys count by their certificates alone",
          "[remote]") {
    const test::JwsForge authority("P-256");
    const test::JwsForge stranger("P-256");
    const Bytes root = test::jws_certificate(authority, "root", authority, "root",
                                             /*is_authority=*/true, kSeconds);
    Setting s(to_pem("CERTIFICATE", root));
    const auto certified = [&](const test::JwsForge& key, const test::JwsForge& issuer) {
        json jwk = named_jwk(s.old_key, "1");
        jwk["x5c"] = {to_base64(test::jws_certificate(key, "signer", issuer, "root",
                                                      /*is_authority=*/false, kSeconds))};
        return jwk;
    };
    s.publish({named_jwk(s.old_key, "1")});  // no certificates
    REQUIRE_ERRC(Errc::token_untrusted, s.by(s.old_key, "1"));
    const auto fresh = [&](const json& jwk) {
        *s.boot += std::chrono::hours(1);
        s.publish({jwk});
        return s.by(s.old_key, "1");
    };
    REQUIRE_ERRC(Errc::token_untrusted, fresh(certified(s.old_key, stranger)));
    REQUIRE_ERRC(Errc::token_untrusted, fresh(certified(s.new_key, authority)));  // other numbers
    REQUIRE_OK(fresh(certified(s.old_key, authority)));
    json bare = certified(s.old_key, authority);  // the key is in the certificate alone
    for (const char* const member : {"x", "y", "crv"}) bare.erase(member);
    REQUIRE_OK(fresh(bare));
}

TEST_CASE("key set: a file with a key beside an address is refused as configuration", "[remote]") {
    const test::JwsForge key("P-256");
    RemoteVerifierConfig config;
    config.token_keys_url = "https://v.example/certs";
    config.token_signer =
        LoadedFile{"/key.pem", to_bytes(as_bytes(to_pem("PUBLIC KEY", key.spki())))};
    REQUIRE_ERRC(Errc::bad_config, TokenKeys::make(config, nullptr, [] { return BootTime(); }));
}

}  // namespace attestd::remote::token_keys_test
