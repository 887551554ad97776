// From what is signed to the secret: whom it may lead to, and what must come back.
#include "agent/sealed/unseal.h"

#include "tests/unit/sealed/scripted_sources.h"

namespace attestd::sealed::unseal_test {
namespace {

struct Setting {
    Sealer sealer;
    SealedSourceConfig config;
    ScriptedSources others;

    Setting() {
        config.broker = "broker";
        config.hashi_vault = "vault";
    }
    Result<Given> opened(const json& payload) {
        SourceProviders providers(config, others);
        ATTESTD_TRY(const VerifiedSealed sealed, verified(sealer.seal(payload), sealer.signer()));
        return unseal(sealed, providers);
    }
};

json changed(json payload, const std::string& member, const json& value) {
    payload[member] = value;
    return payload;
}

std::string b64(std::string_view text) { return to_base64(as_bytes(text)); }

}  // namespace

TEST_CASE("unseal: a pointer is what the broker has there, until the broker's end", "[sealed]") {
    Setting s;
    s.others.resources["kbs:///default/db/password"] = "value";
    const auto given = s.opened(pointer_to("kbs:///default/db/password"));
    REQUIRE_OK(given);
    CHECK(text_of(*given->value) == "value");
    CHECK(given->expires == s.others.brokers_end);
}

TEST_CASE("unseal: an envelope is opened with the key that Vault decrypts", "[sealed]") {
    Setting s;
    const auto given = s.opened(envelope_of("in the envelope"));
    REQUIRE_OK(given);
    CHECK(text_of(*given->value) == "in the envelope");
    CHECK(given->expires == s.others.vaults_end);
    REQUIRE(s.others.decrypted.size() == 1);
    CHECK(s.others.decrypted[0].mount == "transit");
    CHECK(s.others.decrypted[0].path == "app");
    CHECK(s.others.decrypted[0].ciphertext == "vault:v1:abc+/=");
    s.config.transit_mount = "team";
    REQUIRE_OK(s.opened(changed(envelope_of("x"), "provider", "Vault")));
    CHECK(s.others.decrypted[1].mount == "team");
}

TEST_CASE("unseal: providers that are not offered are named, with what is", "[sealed]") {
    struct Row {
        json payload;
        const char* says;
    };
    const json pointer = pointer_to("kbs:///a/b/c"), envelope = envelope_of("x");
    const std::vector<Row> rows{
        {changed(pointer, "provider", "aws"), "the provider \"aws\" is not offered, \"kbs\" is"},
        {changed(pointer, "provider", "Aliyun"), "\"aliyun\" is not offered"},
        {changed(pointer, "provider", "vault"), "\"vault\" is not offered, \"kbs\" is"},
        {changed(pointer, "provider", ""), "\"\" is not offered"},
        {changed(envelope, "provider", "aws"), "the provider \"aws\" is not offered, \"vault\" is"},
        {changed(envelope, "provider", "aliyun"), "\"aliyun\""},
        {changed(envelope, "provider", "ehsm"), "\"ehsm\""},
        {changed(envelope, "provider", "kbs"), "\"kbs\" is not offered"},
        {changed(envelope, "provider", "local-test"), "\"local-test\""}};
    for (const Row& row : rows) {
        CAPTURE(row.says);
        Setting s;
        const auto refused = s.opened(row.payload);
        REQUIRE_ERRC(Errc::sealed_unsupported, refused);
        CHECK_THAT(refused.error().detail, test::ContainsSubstring(row.says));
        CHECK(s.others.num_asked == 0);
    }
}

TEST_CASE("unseal: what configuration names no source for is not asked anywhere", "[sealed]") {
    Setting s;
    s.config.broker.clear();
    REQUIRE_ERRC(Errc::sealed_unsupported, s.opened(pointer_to("kbs:///a/b/c")));
    s.config.broker = "broker";
    s.config.hashi_vault.clear();
    REQUIRE_ERRC(Errc::sealed_unsupported, s.opened(envelope_of("x")));
    CHECK(s.others.num_asked == 0);
}

TEST_CASE("unseal: names that are none of a broker's or of Vault's are not asked for", "[sealed]") {
    Setting s;
    for (const char* const name : {"", "default/db/password", "kbs://host/a/b/c", "kbs:///a/b",
                                   "kbs:///a/../c", "kbs+plugin:///a/b/c", "https://x/a/b/c"}) {
        CAPTURE(name);
        REQUIRE_ERRC(Errc::sealed_payload, s.opened(pointer_to(name)));
    }
    for (const char* const id : {"a/b", "..", "a b", "app?x", "app#x"}) {
        CAPTURE(id);
        REQUIRE_ERRC(Errc::sealed_payload, s.opened(changed(envelope_of("x"), "key_id", id)));
    }
    for (const std::string& key : {b64("abc"), b64("vault:v1:a b"), b64("vault:v1:a\n"),
                                   b64("vault:v1:" + std::string(16384, 'a'))}) {
        REQUIRE_ERRC(Errc::sealed_payload,
                     s.opened(changed(envelope_of("x"), "encrypted_key", key)));
    }
    CHECK(s.others.num_asked == 0);
}

TEST_CASE("unseal: a pointer to a sealed secret is no way to another", "[sealed]") {
    Setting s;
    s.others.resources["kbs:///a/b/c"] = s.sealer.seal(pointer_to("kbs:///a/b/c"));
    REQUIRE_ERRC(Errc::sealed_nested, s.opened(pointer_to("kbs:///a/b/c")));
    CHECK(s.others.num_asked == 1);
}

TEST_CASE("unseal: an envelope opens with its own key, iv and data alone", "[sealed]") {
    Setting s;
    for (const std::size_t len : {0U, 16U, 31U, 33U, 64U}) {
        CAPTURE(len);
        s.others.data_key = Bytes(len, 0x5a);
        REQUIRE_ERRC(Errc::sealed_undecrypted, s.opened(envelope_of("x")));
    }
    s.others.data_key = Bytes(32, 0x5b);
    REQUIRE_ERRC(Errc::sealed_undecrypted, s.opened(envelope_of("x")));
    s.others.data_key = kDataKey;
    REQUIRE_ERRC(Errc::sealed_undecrypted,
                 s.opened(changed(envelope_of("x"), "iv", to_base64(Bytes(12, 0x08)))));
    const Bytes good = gcm_sealed(kDataKey, kIv, "x");
    for (std::size_t i = 0; i < good.size(); ++i) {
        Bytes bad = good;
        bad[i] ^= 1;
        REQUIRE_ERRC(Errc::sealed_undecrypted,
                     s.opened(changed(envelope_of("x"), "encrypted_data", to_base64(bad))));
    }
}

TEST_CASE("unseal: what the source behind it says is passed on", "[sealed]") {
    Setting s;
    s.others.error = Error{Errc::kbs_denied, "no"};
    REQUIRE_ERRC(Errc::kbs_denied, s.opened(pointer_to("kbs:///a/b/c")));
    s.others.error = Error{Errc::vault_refused, "no"};
    REQUIRE_ERRC(Errc::vault_refused, s.opened(envelope_of("x")));
}

}  // namespace attestd::sealed::unseal_test
