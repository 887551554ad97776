// What binds evidence to a handshake, byte for byte.
#include "agent/kbs/runtime_data.h"

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "tests/support/vectors.h"

namespace attestd::kbs::runtime_data_test {
namespace {

using nlohmann::json;

HashName hash_named(const std::string& name) {
    return name == "sha256"   ? HashName::sha256
           : name == "sha384" ? HashName::sha384
                              : HashName::sha512;
}

Result<HashName> chosen(const json& extra_params, bool is_azure = false) {
    const auto document =
        JsonDocument::parse(json{{"extra-params", extra_params}}.dump(), "challenge").value();
    JsonObject in = document.root().object().value();
    return chosen_hash(in.required("extra-params").value(), offered_hashes(is_azure));
}

}  // namespace

TEST_CASE("key broker: runtime data and report data are those of the recorded cases", "[kbs]") {
    NEED_VECTORS(file, "kbs/runtime-data.json");
    const json recorded = json::parse(test::load_text(file));
    REQUIRE(recorded.at("cases").size() >= 2);
    for (const json& one : recorded.at("cases")) {
        INFO(one.at("name").get<std::string>());
        const std::string nonce = one.at("nonce");
        const json& jwk = one.at("tee_pubkey");
        const std::string device = device_text(nonce, jwk);
        const std::string primary = primary_text(nonce, jwk, one.at("additional_evidence"));
        CHECK(device == one.at("device_canonical").get<std::string>());
        CHECK(primary == one.at("primary_canonical").get<std::string>());
        CHECK(device == one.at("v0_2_canonical").get<std::string>());
        for (const char* const name : {"sha256", "sha384", "sha512"}) {
            const HashName hash = hash_named(name);
            CHECK(to_hex(report_data_of(digest_of(primary, hash))) ==
                  one.at(std::string("report_data_") + name).get<std::string>());
            CHECK(to_hex(digest_of(device, hash)) ==
                  one.at(std::string("device_digest_") + name).get<std::string>());
        }
        CHECK(to_hex(report_data_of(digest_of(device, HashName::sha384))) ==
              one.at("v0_2_report_data_sha384").get<std::string>());
    }
}

TEST_CASE("key broker: a nonce stands in canonical JSON with the shortest escapes", "[kbs]") {
    const json jwk{{"kty", "EC"}};
    CHECK(device_text("\x01\b\t\n\f\r\x1f\"\\/\x7f", jwk) ==
          "{\"nonce\":\"\\u0001\\b\\t\\n\\f\\r\\u001f\\\"\\\\/"
          "\x7f\",\"tee-pubkey\":{\"kty\":\"EC\"}}");
    CHECK(device_text("\xe2\x82\xac", jwk).find("\"\xe2\x82\xac\"") != std::string::npos);
}

TEST_CASE("key broker: the hash is the one that was offered and chosen, else SHA-384", "[kbs]") {
    for (const json& silent :
         {json(""), json(nullptr), json(true), json(1), json::array({"sha512"}), json::object(),
          json{{"other", "sha512"}}}) {
        INFO(silent.dump());
        const auto hash = chosen(silent);
        REQUIRE_OK(hash);
        CHECK(*hash == HashName::sha384);
    }
    CHECK(chosen({{"selected-hash-algorithm", "SHA512"}}).value() == HashName::sha512);
    CHECK(chosen({{"selected-hash-algorithm", "sha256"}}).value() == HashName::sha256);
    for (const json& bad : {json("sm3"), json("md5"), json(""), json(384), json(nullptr)}) {
        INFO(bad.dump());
        REQUIRE_ERRC(Errc::kbs_protocol, chosen({{"selected-hash-algorithm", bad}}));
    }
    CHECK(chosen("", /*is_azure=*/true).value() == HashName::sha384);
    CHECK(chosen({{"selected-hash-algorithm", "sha384"}}, true).value() == HashName::sha384);
    for (const char* const other : {"sha256", "sha512"}) {
        const auto refused = chosen({{"selected-hash-algorithm", other}}, /*is_azure=*/true);
        REQUIRE_ERRC(Errc::kbs_protocol, refused);
        CHECK_THAT(refused.error().detail, test::ContainsSubstring("not offered: sha384 were"));
    }
}

}  // namespace attestd::kbs::runtime_data_test
