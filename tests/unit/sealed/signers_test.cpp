// Who may sign: keys that configuration pins, and keys that the broker keeps.
#include "agent/sealed/signers.h"

#include "tests/unit/sealed/sealing.h"

namespace attestd::sealed::signers_test {
namespace {

SealedSourceConfig pinning(const std::string& file, std::vector<std::string> kids = {}) {
    SealedSourceConfig out;
    out.trusted_keys = LoadedFile{"/etc/signers.json", to_bytes(as_bytes(file))};
    out.trusted_kids = std::move(kids);
    return out;
}

json set_of(const std::vector<json>& keys) { return {{"keys", keys}}; }

json with(json jwk, const std::string& member, const json& value) {
    jwk[member] = value;
    return jwk;
}
json without(json jwk, const std::string& member) {
    jwk.erase(member);
    return jwk;
}

}  // namespace

TEST_CASE("signers: keys of a set and a single key count by their kid", "[sealed]") {
    const Sealer one, two("signer-2"), at_broker(kBrokersKid);
    const auto set = Signers::make(
        pinning(set_of({one.jwk(), two.jwk()}).dump(), {"kbs:///default/keys/other"}));
    REQUIRE_OK(set);
    REQUIRE(set->pinned(kKid) != nullptr);
    CHECK(set->pinned("signer-2")->kid() == "signer-2");
    CHECK(set->pinned("signer") == nullptr);
    CHECK(set->pinned("kbs:///default/keys/other") == nullptr);
    CHECK(set->is_at_broker("kbs:///default/keys/other"));
    CHECK_FALSE(set->is_at_broker(kKid));
    // A key that is pinned under a broker's URI is not asked for there.
    const auto single = Signers::make(pinning(at_broker.jwk().dump()));
    REQUIRE_OK(single);
    CHECK(single->pinned(kBrokersKid) != nullptr);
    CHECK_FALSE(single->is_at_broker(kBrokersKid));
}

TEST_CASE("signers: what cannot be pinned is refused with its place", "[sealed]") {
    const Sealer one;
    const json jwk = one.jwk();
    const test::JwsForge p384("P-384"), rsa("RSA");
    struct Row {
        const char* what;
        std::string file;
        Errc want;
        const char* says;
    };
    const std::vector<Row> rows{
        {"no JSON", "-----BEGIN PUBLIC KEY-----", Errc::bad_json, "/etc/signers.json"},
        {"no key", set_of({}).dump(), Errc::bad_config, "a key at least"},
        {"no kid", without(jwk, "kid").dump(), Errc::missing_key, "kid"},
        {"a kid that leads somewhere", with(jwk, "kid", "../x").dump(), Errc::bad_config,
         "no plain name"},
        {"a kid twice", set_of({jwk, jwk}).dump(), Errc::bad_config, "twice"},
        {"one of trusted_kids", with(jwk, "kid", kBrokersKid).dump(), Errc::bad_config,
         "trusted_kids"},
        {"a private key", with(jwk, "d", "AAAA").dump(), Errc::bad_config, "private key"},
        {"a key for encryption", with(jwk, "use", "enc").dump(), Errc::bad_config, "signatures"},
        {"a symmetric key", json{{"kty", "oct"}, {"k", "AAAA"}, {"kid", "a"}}.dump(),
         Errc::bad_config, "EC or RSA"},
        {"P-384", with(with(jwk, "crv", "P-384"), "alg", "ES384").dump(), Errc::bad_config,
         "P-256"},
        {"no point of the curve", with(jwk, "y", jwk.at("x")).dump(), Errc::bad_config,
         "not a point"}};
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto refused = Signers::make(pinning(row.file, {kBrokersKid}));
        REQUIRE_ERRC(row.want, refused);
        CHECK_THAT(refused.error().detail, test::ContainsSubstring(row.says));
    }
}

TEST_CASE("signers: what the broker has must be that signer's public JWK", "[sealed]") {
    const Sealer own(kBrokersKid);
    const auto at_broker = [](const json& content) {
        return signer_at_broker(kBrokersKid, as_bytes(content.dump()));
    };
    REQUIRE_OK(at_broker(own.jwk()));
    REQUIRE_OK(at_broker(without(own.jwk(), "kid")));
    REQUIRE_ERRC(Errc::sealed_untrusted, at_broker(with(own.jwk(), "kid", "other")));
    REQUIRE_ERRC(Errc::sealed_untrusted, at_broker(with(own.jwk(), "d", "AAAA")));
    REQUIRE_ERRC(Errc::sealed_untrusted, at_broker(json::array()));
    REQUIRE_ERRC(Errc::sealed_untrusted, at_broker(set_of({own.jwk()})));
    // A secret that somebody names as a key is not shown.
    const auto no_key = signer_at_broker(kBrokersKid, as_bytes(std::string_view("hunter2")));
    REQUIRE_ERRC(Errc::sealed_untrusted, no_key);
    CHECK(no_key.error().detail.find("hunter2") == std::string::npos);
}

}  // namespace attestd::sealed::signers_test
