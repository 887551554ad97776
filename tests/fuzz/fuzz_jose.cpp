// JOSE: signed tokens, encrypted messages, keys.
#include <nlohmann/json.hpp>

#include "quote/base/base64url.h"
#include "quote/jose/jwe.h"
#include "quote/jose/token_signers.h"
#include "tests/fuzz/appraisal.h"
#include "tests/support/forge/signing_key.h"
#include "tests/support/forge/x509_forge.h"

namespace attestd::fuzz::jose {
namespace {

using nlohmann::json;

const forge::SigningKey& signer() {
    static const forge::SigningKey made(KeyKind::p256);
    return made;
}

json signer_jwk() {
    const Bytes point = signer().point();
    return {{"kty", "EC"},
            {"crv", "P-256"},
            {"alg", "ES256"},
            {"x", to_base64url(ByteView(point).first(32))},
            {"y", to_base64url(ByteView(point).last(32))}};
}

std::string token(const json& header) {
    const std::string text = to_base64url(as_bytes(header.dump())) + '.' +
                             to_base64url(as_bytes(R"({"exp":1900000000,"sub":"fuzz"})"));
    return text + '.' + to_base64url(signer().sign_raw(as_bytes(text)));
}
const std::vector<std::string>& tokens() {
    static const std::vector<std::string> made{
        token({{"alg", "ES256"}, {"typ", "JWT"}}),
        token({{"alg", "ES256"}, {"kid", "1"}, {"jwk", signer_jwk()}})};
    return made;
}

std::string_view signed_part(std::string_view compact) {
    return compact.substr(0, std::min(compact.rfind('.'), compact.size()));
}

bool is_genuine(std::string_view compact) {
    return std::any_of(tokens().begin(), tokens().end(), [&](const std::string& one) {
        return signed_part(one) == signed_part(compact);
    });
}

void run_jws(ByteView input) {
    static const JwsKey key = must(JwsKey::from_spki(signer().spki(), std::nullopt));
    static const TokenSigners signers = must(TokenSigners::parse(
        as_bytes(forge::to_pem("PUBLIC KEY", signer().spki())), "signer", std::nullopt));
    const std::string_view text = as_text(input);
    const auto parsed = Jws::parse(text);
    if (!parsed) return;
    reached();
    const auto dot = text.find('.');
    holds(to_base64url(parsed->payload()) == signed_part(text).substr(dot + 1),
          "a payload has one encoding");
    const bool verified = parsed->verify(key).has_value();
    holds(!verified || is_genuine(text), "what was not signed is not verified");
    holds(signers.verify(*parsed, forged_at()).has_value() == verified, "both ways agree");
    static_cast<void>(key_named_by(*parsed));
}

Seeds jws_seeds() { return {seed("plain", tokens()[0]), seed("with-key", tokens()[1])}; }

struct Messages {
    JosePrivateKey ec = must(JosePrivateKey::generate(JoseKeyKind::p256));
    JosePrivateKey rsa = must(JosePrivateKey::generate(JoseKeyKind::rsa2048));
    std::vector<std::string> all;

    Messages() {
        const Secret plain = must(Secret::copy_of(as_bytes("the plaintext of a message")));
        JweParameters more;
        more.typ = "fuzz";
        more.kid = "1";
        JweParameters parties = more;
        parties.apu = {1, 2};
        parties.apv = {3};
        all = {must(encrypt_jwe(ec.public_key(), parties, plain, JweForm::flattened)),
               must(encrypt_jwe(ec.public_key(), {}, plain, JweForm::compact)),
               must(encrypt_jwe(rsa.public_key(), more, plain, JweForm::flattened)),
               must(encrypt_jwe(rsa.public_key(), more, plain, JweForm::compact))};
    }
};
const Messages& messages() {
    static const Messages made;
    return made;
}

void check_jwe(const Result<Jwe>& message) {
    if (!message) return;
    const bool for_rsa = message->algorithm() == JoseAlgorithm::rsa_oaep_256;
    const auto plain = message->decrypt(for_rsa ? messages().rsa : messages().ec);
    if (!plain) {
        holds(plain.error().code == Errc::jwe_undecrypted ||
                  plain.error().code == Errc::jose_algorithm,
              "every failure to decrypt is the same");
        return;
    }
    reached();
    plain->expose([](ByteView bytes) {
        holds(as_text(bytes) == "the plaintext of a message", "only what was encrypted comes out");
    });
}

void run_jwe(ByteView input) {
    check_jwe(Jwe::parse(as_text(input), "message"));
    check_jwe(Jwe::parse_compact(as_text(input)));
}

Seeds jwe_seeds() {
    Seeds out;
    for (const std::string& one : messages().all)
        out.push_back(seed(std::to_string(out.size()), one));
    return out;
}

void check_jwk(std::string_view text) {
    const auto document = JsonDocument::parse(text, "jwk");
    if (!document) return;
    static_cast<void>(JosePublicKey::from_epk(document->root()));
    static_cast<void>(JwsKey::from_jwk(document->root(), std::nullopt));
    const auto key = JosePublicKey::from_jwk(document->root());
    if (!key) return;
    reached();
    const auto written = must(JsonDocument::parse(key->jwk(), "written"));
    const auto again = must(JosePublicKey::from_jwk(written.root()));
    holds(again == *key && again.thumbprint() == key->thumbprint(), "a key is written again");
    holds(key->to_openssl().has_value(), "a good key is OpenSSL's too");
}

void run_jwk(ByteView input) {
    check_jwk(as_text(input));
    static_cast<void>(TokenSigners::parse(input, "signers", std::nullopt));
}

Seeds jwk_seeds() {
    const json set{{"keys", {signer_jwk()}}};
    return {seed("ec", messages().ec.public_key().jwk()),
            seed("rsa", messages().rsa.public_key().jwk()), seed("signer", signer_jwk().dump()),
            seed("set", set.dump()), seed("pem", forge::to_pem("PUBLIC KEY", signer().spki()))};
}

const Words kWords{
    "\"alg\":",        "\"ES256\"",      "\"RS256\"",          "\"PS384\"",   "\"none\"",
    "\"jwk\":",        "\"x5c\":",       "\"crit\":",          "\"kty\":",    "\"EC\"",
    "\"RSA\"",         "\"crv\":",       "\"P-256\"",          "\"P-521\"",   "\"keys\":",
    "\"use\":\"sig\"", "\"enc\":",       "\"A256GCM\"",        "\"epk\":",    "\"apu\":",
    "\"zip\":",        "\"protected\":", "\"encrypted_key\":", "\"iv\":",     "\"tag\":",
    "\"aad\":",        "AQAB",           "ECDH-ES+A256KW",     "RSA-OAEP-256"};
const bool kJws = add({"jws", run_jws, jws_seeds, kWords, 2000});
const bool kJwe = add({"jwe", run_jwe, jwe_seeds, kWords, 1000});
const bool kJwk = add({"jwk", run_jwk, jwk_seeds, kWords, 1000});

}  // namespace
}  // namespace attestd::fuzz::jose
