// JWE: what we write opens again, and everything that is not taken is refused by name.
#include "quote/jose/jwe.h"

#include <map>

#include "tests/unit/quote/jose/jose_samples.h"

using namespace attestd;
using namespace attestd::test;

namespace {

const JosePrivateKey& key_of(JoseKeyKind kind) {
    static const std::map<JoseKeyKind, JosePrivateKey> keys = [] {
        std::map<JoseKeyKind, JosePrivateKey> made;
        for (const auto each : {JoseKeyKind::p256, JoseKeyKind::p521, JoseKeyKind::rsa2048}) {
            made.emplace(each, JosePrivateKey::generate(each).value());
        }
        return made;
    }();
    return keys.at(kind);
}

std::string sealed_to(JoseKeyKind kind, const JweParameters& parameters = {},
                      JweForm form = JweForm::flattened) {
    const Secret plaintext = secret_of("a secret");
    const auto message = encrypt_jwe(key_of(kind).public_key(), parameters, plaintext, form);
    REQUIRE_OK(message);
    return *message;
}

Result<Secret> opened_by(JoseKeyKind kind, const std::string& text) {
    ATTESTD_TRY(const Jwe jwe, Jwe::parse(text, "message"));
    return jwe.decrypt(key_of(kind));
}

struct HeaderRow {
    const char* name;
    const char* key;
    nlohmann::json value;  // null: the member is taken away
    Errc want;
};

void refuse_headers(JoseKeyKind kind, const std::vector<HeaderRow>& rows) {
    const OpenMessage good = OpenMessage::of(sealed_to(kind));
    for (const HeaderRow& row : rows) {
        INFO(row.name);
        OpenMessage bad = good;
        bad.header[row.key] = row.value;
        if (row.value.is_null()) bad.header.erase(row.key);
        REQUIRE_ERRC(row.want, opened_by(kind, bad.closed()));
    }
}

}  // namespace

TEST_CASE("JWE: what is encrypted to a key opens with it, in both forms", "[quote][jose]") {
    const auto kind = GENERATE(JoseKeyKind::p256, JoseKeyKind::p521, JoseKeyKind::rsa2048);
    const auto flattened = opened_by(kind, sealed_to(kind));
    REQUIRE_OK(flattened);
    CHECK(text_of(*flattened) == "a secret");
    const auto compact = Jwe::parse_compact(sealed_to(kind, {}, JweForm::compact));
    REQUIRE_OK(compact);
    CHECK(compact->algorithm() == jose_algorithm(kind));
    const auto plaintext = compact->decrypt(key_of(kind));
    REQUIRE_OK(plaintext);
    CHECK(text_of(*plaintext) == "a secret");
}

TEST_CASE("JWE: nothing at all and a mebibyte can be encrypted", "[quote][jose]") {
    const std::size_t len = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{1} << 20);
    const auto plaintext = Secret::random(len);
    REQUIRE_OK(plaintext);
    const auto& key = key_of(JoseKeyKind::p256);
    const auto message = encrypt_jwe(key.public_key(), {}, *plaintext, JweForm::flattened);
    REQUIRE_OK(message);
    const auto jwe = Jwe::parse(*message, "message");
    REQUIRE_OK(jwe);
    const auto again = jwe->decrypt(key);
    REQUIRE_OK(again);
    CHECK(*again == *plaintext);
}

TEST_CASE("JWE: two messages to one key have no part in common", "[quote][jose]") {
    const OpenMessage one = OpenMessage::of(sealed_to(JoseKeyKind::p256));
    const OpenMessage two = OpenMessage::of(sealed_to(JoseKeyKind::p256));
    CHECK(one.header["epk"] != two.header["epk"]);
    for (const char* part : {"encrypted_key", "iv", "ciphertext", "tag"}) {
        CHECK(one.members[part] != two.members[part]);
    }
}

TEST_CASE("JWE: apu and apv go into the key agreement", "[quote][jose]") {
    const JweParameters parameters{
        .typ = "t", .cty = "c", .kid = "k", .apu = Bytes{1, 2}, .apv = Bytes{3}};
    const OpenMessage good = OpenMessage::of(sealed_to(JoseKeyKind::p521, parameters));
    const auto jwe = Jwe::parse(good.closed(), "message");
    REQUIRE_OK(jwe);
    CHECK(jwe->parameters().typ == "t");
    CHECK(jwe->parameters().cty == "c");
    CHECK(jwe->parameters().kid == "k");
    CHECK(jwe->parameters().apu == parameters.apu);
    CHECK(jwe->parameters().apv == parameters.apv);
    REQUIRE_OK(jwe->decrypt(key_of(JoseKeyKind::p521)));

    const auto& rsa = key_of(JoseKeyKind::rsa2048);
    const Secret plaintext = secret_of("x");
    REQUIRE_ERRC(Errc::jose_header,
                 encrypt_jwe(rsa.public_key(), parameters, plaintext, JweForm::compact));
}

TEST_CASE("JWE: a header that asks for anything else is refused", "[quote][jose]") {
    refuse_headers(JoseKeyKind::p256,
                   {{"crit", "crit", nlohmann::json::array({"exp"}), Errc::jose_header},
                    {"zip", "zip", "DEF", Errc::jose_header},
                    {"a certificate", "x5c", nlohmann::json::array(), Errc::jose_header},
                    {"a key by address", "jku", "https://example.com", Errc::jose_header},
                    {"direct agreement", "alg", "ECDH-ES", Errc::jose_algorithm},
                    {"a smaller key wrap", "alg", "ECDH-ES+A128KW", Errc::jose_algorithm},
                    {"no algorithm", "alg", "none", Errc::jose_algorithm},
                    {"alg is a number", "alg", 1, Errc::wrong_type},
                    {"alg is absent", "alg", nullptr, Errc::missing_key},
                    {"CBC", "enc", "A256CBC-HS512", Errc::jose_algorithm},
                    {"a smaller content key", "enc", "A128GCM", Errc::jose_algorithm},
                    {"enc is absent", "enc", nullptr, Errc::missing_key},
                    {"epk is absent", "epk", nullptr, Errc::missing_key},
                    {"epk is text", "epk", "x", Errc::wrong_type},
                    {"apu is not base64url", "apu", "=", Errc::bad_encoding},
                    {"apv is long", "apv", std::string(2000, 'A'), Errc::too_large},
                    {"apv was not there", "apv", "AAAA", Errc::jwe_undecrypted},
                    {"kid was not there", "kid", "AAAA", Errc::jwe_undecrypted}});
    refuse_headers(JoseKeyKind::rsa2048,
                   {{"RSA1_5", "alg", "RSA1_5", Errc::jose_algorithm},
                    {"OAEP with SHA-1", "alg", "RSA-OAEP", Errc::jose_algorithm},
                    {"an agreement's apu", "apu", "AAAA", Errc::jose_header},
                    {"an agreement's algorithm", "alg", "ECDH-ES+A256KW", Errc::missing_key}});
}

TEST_CASE("JWE: a message for another family or curve than the key's is refused", "[quote][jose]") {
    const auto p256 = sealed_to(JoseKeyKind::p256);
    const auto rsa = sealed_to(JoseKeyKind::rsa2048);
    REQUIRE_ERRC(Errc::jose_algorithm, opened_by(JoseKeyKind::p521, p256));
    REQUIRE_ERRC(Errc::jose_algorithm, opened_by(JoseKeyKind::rsa2048, p256));
    REQUIRE_ERRC(Errc::jose_algorithm, opened_by(JoseKeyKind::p256, rsa));
    const auto stranger = JosePrivateKey::generate(JoseKeyKind::p256);
    REQUIRE_ERRC(Errc::jwe_undecrypted, Jwe::parse(p256, "message")->decrypt(*stranger));
}

TEST_CASE("JWE: parts of other lengths, members twice or unknown are refused", "[quote][jose]") {
    const OpenMessage good = OpenMessage::of(sealed_to(JoseKeyKind::p256));
    const auto refused = [&](Errc want, const char* key, const nlohmann::json& value) {
        INFO(key << " " << value.dump());
        OpenMessage bad = good;
        bad.members[key] = value;
        if (value.is_null()) bad.members.erase(key);
        REQUIRE_ERRC(want, opened_by(JoseKeyKind::p256, bad.closed()));
    };
    for (const char* part : {"encrypted_key", "iv", "tag"}) {
        const Bytes bytes = from_base64url(good.members[part].get<std::string>(), part).value();
        refused(Errc::bad_length, part, to_base64url(ByteView(bytes).first(bytes.size() - 1)));
        Bytes longer = bytes;
        longer.push_back(0);
        refused(Errc::bad_length, part, to_base64url(longer));
        refused(Errc::missing_key, part, nullptr);
        refused(Errc::wrong_type, part, 7);
        refused(Errc::bad_encoding, part, "*");
    }
    refused(Errc::missing_key, "ciphertext", nullptr);
    refused(Errc::unknown_key, "unprotected", "e30");
    refused(Errc::unknown_key, "recipients", "e30");
    refused(Errc::jwe_undecrypted, "aad", "AAAA");
    refused(Errc::bad_encoding, "aad", "A");

    std::string twice = good.closed();
    twice.insert(1, R"("iv":"AAAAAAAAAAAAAAAA",)");
    REQUIRE_ERRC(Errc::duplicate_key, opened_by(JoseKeyKind::p256, twice));
    OpenMessage header_twice = good;
    const std::string header = good.header.dump();
    header_twice.members["protected"] =
        to_base64url(as_bytes(R"({"enc":"A256GCM",)" + header.substr(1)));
    REQUIRE_ERRC(Errc::duplicate_key, opened_by(JoseKeyKind::p256, header_twice.members.dump()));
}

TEST_CASE("JWE: the compact form has five parts", "[quote][jose]") {
    const std::string good = sealed_to(JoseKeyKind::p256, {}, JweForm::compact);
    REQUIRE_ERRC(Errc::bad_encoding, Jwe::parse_compact(good + "."));
    REQUIRE_ERRC(Errc::bad_encoding, Jwe::parse_compact(good.substr(0, good.rfind('.'))));
    REQUIRE_ERRC(Errc::bad_encoding, Jwe::parse_compact(""));
    REQUIRE_ERRC(Errc::bad_json, Jwe::parse_compact("...."));
    REQUIRE_ERRC(Errc::too_large, Jwe::parse_compact(good, good.size() - 1));
    REQUIRE_ERRC(Errc::too_large, Jwe::parse(sealed_to(JoseKeyKind::p256), "message", 100));
}

TEST_CASE("JWE: additional data are covered as they were received", "[quote][jose]") {
    // Blanks and another order in the header change nothing but the text that the tag covers.
    const OpenMessage good = OpenMessage::of(sealed_to(JoseKeyKind::p256));
    OpenMessage spaced = good;
    spaced.members["protected"] = to_base64url(as_bytes(good.header.dump(2)));
    REQUIRE_ERRC(Errc::jwe_undecrypted, opened_by(JoseKeyKind::p256, spaced.members.dump()));
}
