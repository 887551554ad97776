// Sealed secrets: texts as a host delivers them, and payloads that a trusted signer signed.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/sealed/signers.h"
#include "agent/sealed/unseal.h"
#include "config/sealed_resource.h"
#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/signing_key.h"

namespace attestd::fuzz::sealed_secrets {
namespace {

using nlohmann::json;

constexpr std::string_view kKid = "signer";

const forge::SigningKey& signing_key() {
    static const forge::SigningKey made(KeyKind::p256);
    return made;
}

std::string jwk() {
    const Bytes point = signing_key().point();
    return json{{"kty", "EC"},
                {"crv", "P-256"},
                {"kid", kKid},
                {"x", to_base64url(ByteView(point).first(32))},
                {"y", to_base64url(ByteView(point).last(32))}}
        .dump();
}

const sealed::Signer& signer() {
    static const JsonDocument document = must(JsonDocument::parse(jwk(), "jwk"));
    static const sealed::Signer made =
        must(sealed::Signer::from_jwk(std::string(kKid), document.root()));
    return made;
}

std::string sealed_text(std::string_view payload) {
    const std::string text = to_base64url(as_bytes(json{{"alg", "ES256"}, {"kid", kKid}}.dump())) +
                             '.' + to_base64url(as_bytes(payload));
    return "sealed." + text + '.' + to_base64url(signing_key().sign_raw(as_bytes(text)));
}

const std::vector<std::string>& payloads() {
    static const std::vector<std::string> made = [] {
        const json common{{"version", "0.1.0"},
                          {"provider_settings", json::object()},
                          {"annotations", {{"attestd.name", "db/password"}}}};
        json pointer = common, envelope = common;
        pointer.update({{"type", "vault"}, {"provider", "kbs"}, {"name", "kbs:///default/db/pw"}});
        envelope.update({{"type", "envelope"},
                         {"provider", "vault"},
                         {"key_id", "app"},
                         {"wrap_type", "A256GCM"},
                         {"encrypted_key", to_base64(as_bytes(std::string_view("vault:v1:abc")))},
                         {"encrypted_data", to_base64(Bytes(20, 1))},
                         {"iv", to_base64(Bytes(12, 2))}});
        return std::vector<std::string>{pointer.dump(), envelope.dump()};
    }();
    return made;
}
const std::vector<std::string>& texts() {
    static const std::vector<std::string> made{sealed_text(payloads()[0]),
                                               sealed_text(payloads()[1])};
    return made;
}

// What was signed, with its prefix: an ECDSA signature has a second form that is good, too.
std::string_view signed_part(std::string_view text) {
    return text.substr(0, std::min(text.rfind('.'), text.size()));
}

// Whatever is asked of it must be something that may be asked.
class CheckedSources final : public sealed::OtherSources {
 public:
    Result<SourcedSecret> read_broker(const std::string& uri) override {
        holds(uri.starts_with("kbs:///") && uri.find("..") == uri.npos,
              "a URI leads to a resource");
        return given(as_bytes(uri));
    }
    Result<SourcedSecret> decrypt(const VaultResource& asked) override {
        const bool is_part = asked.path.find_first_of("/?# \n") == asked.path.npos;
        holds(is_part && asked.path != "..", "a transit key is one part of a path");
        holds(asked.ciphertext.starts_with("vault:v"), "a ciphertext of Vault's is asked for");
        return given(Bytes(32, 3));
    }

 private:
    static Result<SourcedSecret> given(ByteView bytes) {
        return SourcedSecret{std::make_shared<const Secret>(must(Secret::copy_of(bytes))), 1, {}};
    }
};

void follow(const sealed::VerifiedSealed& content) {
    SealedSourceConfig config;
    config.broker = "broker";
    config.hashi_vault = "vault";
    CheckedSources others;
    sealed::SourceProviders providers(config, others);
    const auto given = sealed::unseal(content, providers);
    holds(!given || std::holds_alternative<sealed::Pointer>(content.content()),
          "no envelope was sealed with this key");
}

void run_text(std::string_view text) {
    const auto parsed = sealed::SealedText::parse(text);
    if (!parsed) return;
    reached();
    holds(sealed_form_of(text) == SealedForm::text, "configuration takes whatever can be parsed");
    const auto verified = sealed::verify_sealed(*parsed, signer());
    const bool is_genuine = std::any_of(texts().begin(), texts().end(), [&](const auto& one) {
        return signed_part(one) == signed_part(text);
    });
    holds(!verified || is_genuine, "what was not signed is not verified");
}

void run(ByteView input) {
    if (as_text(input).starts_with(kSealedPrefix)) return run_text(as_text(input));
    // Anything else as what the signer signed.
    const auto parsed = sealed::SealedText::parse(sealed_text(as_text(input)));
    if (!parsed) return;
    const auto verified = sealed::verify_sealed(*parsed, signer());
    if (!verified) {
        holds(verified.error().code == Errc::sealed_payload ||
                  verified.error().code == Errc::sealed_unsupported,
              "what is signed is refused for its content alone");
        return;
    }
    reached();
    follow(*verified);
}

Seeds seeds() {
    static_cast<void>(signer());
    return {seed("pointer", texts()[0]), seed("envelope", texts()[1]),
            seed("pointer-payload", payloads()[0]), seed("envelope-payload", payloads()[1]),
            seed("fake", "sealed.fakejwsheader.e30.fakesignature")};
}

const Words kWords{
    "sealed.",      "\"alg\":",    "\"ES256\"", "\"none\"",    "\"kid\":",     "\"crit\":",
    "\"version\":", "\"0.1.0\"",   "\"type\":", "\"vault\"",   "\"envelope\"", "\"provider\":",
    "\"kbs\"",      "\"name\":",   "kbs:///",   "\"key_id\":", "\"iv\":",      "\"wrap_type\":",
    "\"A256GCM\"",  "\"A256CTR\"", "vault:v1:", "..",          "attestd.name", "\"annotations\":{}",
    "fakesignature"};
const bool kAdded = add({"sealed", run, seeds, kWords, 1000});

}  // namespace
}  // namespace attestd::fuzz::sealed_secrets
