// The text of a sealed secret: what is taken apart, what counts as signed, and what is refused.
#include "agent/sealed/sealed_text.h"

#include "tests/unit/sealed/sealing.h"

namespace attestd::sealed::text_test {
namespace {

const Sealer& sealer() {
    static const Sealer made;
    return made;
}

const std::string kUri = "kbs:///default/db/password";

json changed(json payload, const std::string& member, const json& value) {
    payload[member] = value;
    return payload;
}
json without(json payload, const std::string& member) {
    payload.erase(member);
    return payload;
}

std::string b64(std::string_view text) { return to_base64url(as_bytes(text)); }

}  // namespace

TEST_CASE("sealed text: a pointer, with its name where it has one", "[sealed]") {
    const auto plain = verified(sealer().seal(pointer_to(kUri)), sealer().signer());
    REQUIRE_OK(plain);
    CHECK(std::get<Pointer>(plain->content()).name == kUri);
    CHECK(std::get<Pointer>(plain->content()).provider == "kbs");
    CHECK_FALSE(plain->name().has_value());
    const auto named =
        verified(sealer().seal_for("db/password", pointer_to(kUri)), sealer().signer());
    REQUIRE_OK(named);
    CHECK(named->name() == "db/password");
}

TEST_CASE("sealed text: providers are compared without case", "[sealed]") {
    const auto taken =
        verified(sealer().seal(changed(pointer_to(kUri), "provider", "KbS")), sealer().signer());
    REQUIRE_OK(taken);
    CHECK(std::get<Pointer>(taken->content()).provider == "kbs");
}

TEST_CASE("sealed text: an envelope, part by part", "[sealed]") {
    const auto taken = verified(sealer().seal(envelope_of("plain")), sealer().signer());
    REQUIRE_OK(taken);
    const auto& envelope = std::get<Envelope>(taken->content());
    CHECK(envelope.provider == "vault");
    CHECK(envelope.key_id == "app");
    CHECK(as_text(envelope.encrypted_key) == "vault:v1:abc+/=");
    CHECK(Bytes(envelope.iv.begin(), envelope.iv.end()) == kIv);
    CHECK(envelope.encrypted_data == gcm_sealed(kDataKey, kIv, "plain"));
}

TEST_CASE("sealed text: what is none is refused before a key is looked for", "[sealed]") {
    const std::string good = sealer().seal(pointer_to(kUri));
    const std::string header = b64(R"({"alg":"ES256","kid":"signer-1"})");
    const std::string payload = b64(pointer_to(kUri).dump());
    struct Row {
        const char* what;
        std::string text;
        Errc want;
    };
    const auto with = [&](std::string_view text) {
        return "sealed." + b64(text) + "." + payload + "." + std::string(86, 'A');
    };
    const std::vector<Row> rows{
        {"nothing", "", Errc::sealed_malformed},
        {"no prefix", good.substr(7), Errc::sealed_malformed},
        {"another case", "Sealed." + good.substr(7), Errc::sealed_malformed},
        {"a blank before", " " + good, Errc::sealed_malformed},
        {"a newline behind", good + "\n", Errc::sealed_malformed},
        {"the prefix alone", "sealed.", Errc::sealed_malformed},
        {"two parts", "sealed." + header + "." + payload, Errc::sealed_malformed},
        {"four parts", good + ".AAAA", Errc::sealed_malformed},
        {"padding", "sealed." + header + "=." + payload + ".AAAA", Errc::sealed_malformed},
        {"standard base64", "sealed." + header + ".+/+/.AAAA", Errc::sealed_malformed},
        {"dummy words of old versions", "sealed.fakejwsheader." + payload + ".fakesignature",
         Errc::sealed_malformed},
        {"a header that is no object", with(R"(["ES256"])"), Errc::sealed_malformed},
        {"a member twice", with(R"({"alg":"ES256","kid":"a","kid":"signer-1"})"),
         Errc::sealed_malformed},
        {"no kid", with(R"({"alg":"ES256"})"), Errc::sealed_malformed},
        {"an empty kid", with(R"({"alg":"ES256","kid":""})"), Errc::sealed_malformed},
        {"a kid that is no text", with(R"({"alg":"ES256","kid":7})"), Errc::sealed_malformed},
        {"crit", with(R"({"alg":"ES256","kid":"signer-1","crit":["x"]})"), Errc::sealed_malformed},
        {"a key of its own", with(R"({"alg":"ES256","kid":"signer-1","jwk":{}})"),
         Errc::sealed_malformed},
        {"no alg", with(R"({"kid":"signer-1"})"), Errc::sealed_malformed},
        {"alg none", with(R"({"alg":"none","kid":"signer-1"})"), Errc::sealed_algorithm},
        {"alg HS256", with(R"({"alg":"HS256","kid":"signer-1"})"), Errc::sealed_algorithm},
        {"alg RS256", with(R"({"alg":"RS256","kid":"signer-1"})"), Errc::sealed_algorithm},
        {"alg ES384", with(R"({"alg":"ES384","kid":"signer-1"})"), Errc::sealed_algorithm},
        {"alg es256", with(R"({"alg":"es256","kid":"signer-1"})"), Errc::sealed_algorithm},
        {"a payload over 256 KiB", sealer().seal(std::string(kMaxPayloadLen + 1, ' ')),
         Errc::sealed_malformed},
        {"a text over 384 KiB", sealer().seal(std::string(kMaxPayloadLen + 65536, ' ')),
         Errc::sealed_malformed}};
    for (const Row& row : rows) {
        CAPTURE(row.what);
        REQUIRE_ERRC(row.want, SealedText::parse(row.text));
    }
    REQUIRE_OK(SealedText::parse(good));
    REQUIRE_OK(SealedText::parse(
        sealer().seal({{"alg", "ES256"}, {"kid", kKid}, {"typ", "JWT"}}, pointer_to(kUri).dump())));
}

TEST_CASE("sealed text: a kid leads nowhere", "[sealed]") {
    for (const char* const kid :
         {"../../../etc/passwd", "..", "a..b", "a/b", "/etc/passwd", "kbs:///a/b", "kbs:///a/../b",
          "kbs://host/a/b/c", "kbs:///a/b/c?x", "kbs+plugin:///a/b/c", "file:///etc/passwd", "a b",
          "a\nb", "a\tb", "a\x7f", "signer-\xc3\xa4"}) {
        CAPTURE(kid);
        CHECK_FALSE(is_kid(kid));
        REQUIRE_ERRC(Errc::sealed_untrusted,
                     SealedText::parse(sealer().seal({{"alg", "ES256"}, {"kid", kid}}, "{}")));
    }
    CHECK_FALSE(is_kid(std::string("a\0b", 3)));
    CHECK_FALSE(is_kid(std::string(1025, 'a')));
    for (const char* const kid : {"signer-1", "kbs:///default/keys/signer", "a.b", "x=@:1"})
        CHECK(is_kid(kid));
}

TEST_CASE("sealed text: only the key that it names counts, and only by its signature", "[sealed]") {
    const std::string good = sealer().seal(pointer_to(kUri));
    const Sealer namesake, other("signer-2");
    REQUIRE_OK(verified(good, sealer().signer()));
    REQUIRE_ERRC(Errc::sealed_signature, verified(good, namesake.signer()));
    REQUIRE_ERRC(Errc::sealed_untrusted, verified(good, other.signer()));
    // The other signer's own good signature, under a name that is not its own.
    REQUIRE_ERRC(Errc::sealed_signature,
                 verified(other.seal({{"alg", "ES256"}, {"kid", kKid}}, pointer_to(kUri).dump()),
                          sealer().signer()));
}

TEST_CASE("sealed text: no flipped character, and no shorter text, is verified", "[sealed]") {
    const std::string good = sealer().seal(pointer_to(kUri));
    const Signer signer = sealer().signer();
    for (std::size_t i = 0; i < good.size(); ++i) {
        for (const int bit : {0, 1, 2, 5}) {
            std::string text = good;
            text[i] = static_cast<char>(text[i] ^ (1 << bit));
            CAPTURE(text);
            REQUIRE_FALSE(verified(text, signer).has_value());
        }
        REQUIRE_FALSE(verified(good.substr(0, i), signer).has_value());
    }
    // A signature in DER, and one with a byte more or less: 64 bytes are the only form.
    const std::string head = good.substr(0, good.rfind('.') + 1);
    for (const std::size_t len : {0U, 63U, 65U, 70U, 128U}) {
        CAPTURE(len);
        REQUIRE_ERRC(Errc::sealed_signature,
                     verified(head + to_base64url(Bytes(len, 0x30)), signer));
    }
}

TEST_CASE("sealed text: what is signed all the same and no sealed secret", "[sealed]") {
    struct Row {
        const char* what;
        json payload;
        Errc want;
        const char* says;
    };
    const json pointer = pointer_to(kUri), envelope = envelope_of("x");
    const std::vector<Row> rows{
        {"no version", without(pointer, "version"), Errc::sealed_payload, "version"},
        {"another version", changed(pointer, "version", "0.2.0"), Errc::sealed_unsupported,
         "version \"0.2.0\""},
        {"a longer version", changed(pointer, "version", "0.1.0.0"), Errc::sealed_unsupported, ""},
        {"a number", changed(pointer, "version", 0.1), Errc::sealed_payload, "version"},
        {"another type", changed(pointer, "type", "pointer"), Errc::sealed_unsupported,
         "the type \"pointer\""},
        {"no type", without(pointer, "type"), Errc::sealed_payload, "type"},
        {"type in capitals", changed(pointer, "type", "Vault"), Errc::sealed_unsupported, "Vault"},
        {"no provider", without(pointer, "provider"), Errc::sealed_payload, "provider"},
        {"no name", without(pointer, "name"), Errc::sealed_payload, "name"},
        {"a name that is none", changed(pointer, "name", nullptr), Errc::sealed_payload, "name"},
        {"no settings", without(pointer, "provider_settings"), Errc::sealed_payload,
         "provider_settings"},
        {"settings that are a list", changed(pointer, "provider_settings", json::array()),
         Errc::sealed_payload, "provider_settings"},
        {"no annotations", without(pointer, "annotations"), Errc::sealed_payload, "annotations"},
        {"annotations that are null", changed(pointer, "annotations", nullptr),
         Errc::sealed_payload, "annotations"},
        {"a name that is no text", changed(pointer, "annotations", {{"attestd.name", 1}}),
         Errc::sealed_payload, "attestd.name"},
        {"a member that is not known", changed(pointer, "more", 1), Errc::sealed_payload, "more"},
        {"a pointer with an envelope's", changed(pointer, "iv", "AAAA"), Errc::sealed_payload,
         "iv"},
        {"an envelope with a pointer's", changed(envelope, "name", kUri), Errc::sealed_payload,
         "name"},
        {"counter mode", changed(envelope, "wrap_type", "A256CTR"), Errc::sealed_unsupported,
         "A256CTR"},
        {"another cipher", changed(envelope, "wrap_type", "A128GCM"), Errc::sealed_unsupported,
         "A128GCM"},
        {"no cipher", without(envelope, "wrap_type"), Errc::sealed_payload, "wrap_type"},
        {"no key id", without(envelope, "key_id"), Errc::sealed_payload, "key_id"},
        {"an empty key id", changed(envelope, "key_id", ""), Errc::sealed_payload, "key_id"},
        {"no wrapped key", without(envelope, "encrypted_key"), Errc::sealed_payload,
         "encrypted_key"},
        {"an empty wrapped key", changed(envelope, "encrypted_key", ""), Errc::sealed_payload,
         "encrypted_key"},
        {"base64url", changed(envelope, "encrypted_key", "_-_-"), Errc::sealed_payload,
         "encrypted_key"},
        {"an iv of 11 bytes", changed(envelope, "iv", to_base64(Bytes(11))), Errc::sealed_payload,
         "11 bytes"},
        {"an iv of counter mode", changed(envelope, "iv", to_base64(Bytes(16))),
         Errc::sealed_payload, "16 bytes"},
        {"data shorter than a tag", changed(envelope, "encrypted_data", to_base64(Bytes(15))),
         Errc::sealed_payload, "shorter"},
        {"no data", without(envelope, "encrypted_data"), Errc::sealed_payload, "encrypted_data"}};
    for (const Row& row : rows) {
        CAPTURE(row.what);
        const auto refused = verified(sealer().seal(row.payload), sealer().signer());
        REQUIRE_ERRC(row.want, refused);
        CHECK_THAT(refused.error().detail, test::ContainsSubstring(row.says));
    }
}

TEST_CASE("sealed text: signed text that is no strict JSON", "[sealed]") {
    std::string deep = pointer_to(kUri).dump();
    deep.replace(deep.find("{}"), 2,
                 R"({"a":)" + std::string(16, '[') + std::string(16, ']') + "}");
    for (const std::string& payload :
         {std::string(), std::string("{"), std::string("[]"), std::string("null"),
          pointer_to(kUri).dump() + "x", deep, std::string("\xff"),
          std::string(R"({"version":"0.1.0","type":"vault","type":"envelope","name":"a",)") +
              R"("provider":"kbs","provider_settings":{},"annotations":{}})"}) {
        CAPTURE(payload);
        REQUIRE_ERRC(Errc::sealed_payload, verified(sealer().seal(payload), sealer().signer()));
    }
}

}  // namespace attestd::sealed::text_test
