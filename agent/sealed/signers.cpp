#include "agent/sealed/signers.h"

#include <algorithm>

namespace attestd::sealed {
namespace {

constexpr std::size_t kMaxTrustedKeys = 32;
constexpr JsonLimits kTrustedKeysLimits{.max_len = 65536, .max_depth = 8};
// A JWK on P-256 has some 200 characters; certificates may stand beside it.
constexpr JsonLimits kBrokersKeyLimits{.max_len = 16384, .max_depth = 8};

}  // namespace

Result<void> Signers::add(const JsonValue& jwk) {
    ATTESTD_TRY(JsonObject in, jwk.object());
    ATTESTD_TRY(const JsonValue value, in.required("kid"));
    ATTESTD_TRY(std::string kid, value.text());
    if (pinned(kid) != nullptr) return value.fail_here(Errc::bad_config, "is there twice");
    if (is_at_broker(kid))
        return value.fail_here(Errc::bad_config, "is one of \"trusted_kids\" too: one must go");
    auto signer = Signer::from_jwk(std::move(kid), jwk);
    if (!signer) return jwk.fail_here(Errc::bad_config, signer.error().detail);
    pinned_.push_back(*std::move(signer));
    return {};
}

Result<Signers> Signers::make(const SealedSourceConfig& config) {
    Signers out;
    out.at_broker_ = config.trusted_kids;
    if (!config.trusted_keys) return out;
    const auto& [path, bytes] = *config.trusted_keys;
    ATTESTD_TRY(const auto document,
                JsonDocument::parse(as_text(bytes), path.string(), kTrustedKeysLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    std::vector<JsonValue> jwks{document.root()};
    if (const auto keys = in.optional("keys")) {
        ATTESTD_TRY(jwks, keys->array(kMaxTrustedKeys));
    }
    for (const JsonValue& jwk : jwks) ATTESTD_CHECK(out.add(jwk));
    if (out.pinned_.empty())
        return document.root().fail_here(Errc::bad_config, "a key at least is expected");
    return out;
}

const Signer* Signers::pinned(std::string_view kid) const noexcept {
    const auto found = std::find_if(pinned_.begin(), pinned_.end(),
                                    [&](const Signer& one) { return one.kid() == kid; });
    return found == pinned_.end() ? nullptr : &*found;
}

bool Signers::is_at_broker(std::string_view kid) const noexcept {
    return std::find(at_broker_.begin(), at_broker_.end(), kid) != at_broker_.end();
}

Result<Signer> signer_at_broker(const std::string& kid, ByteView content) {
    const auto document = JsonDocument::parse(as_text(content), "the JWK", kBrokersKeyLimits);
    // The complaint may show what it stumbled over, and that is not known to be a public key.
    if (!document)
        return fail(Errc::sealed_untrusted, "the broker's resource " + kid + " is no public JWK");
    return Signer::from_jwk(kid, document->root());
}

}  // namespace attestd::sealed
