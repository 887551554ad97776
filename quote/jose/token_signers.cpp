#include "quote/jose/token_signers.h"

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "quote/x509/pem.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxSigners = 32;
constexpr JsonLimits kSignerJwksLimits{.max_len = 262144, .max_depth = 8};

bool signer_is_in_life(const X509* certificate, Time now) {
    time_t at = now.time_since_epoch().count();
    return X509_cmp_time(X509_get0_notBefore(certificate), &at) < 0 &&
           X509_cmp_time(X509_get0_notAfter(certificate), &at) > 0;
}

// Where Trustee puts it, and where RFC 7515 section 4.1.6 does.
std::optional<JsonValue> signer_member(const Jws& token, std::string_view key) {
    auto in = token.header().root().object();
    if (!in) return std::nullopt;
    if (auto direct = in->optional(key)) return direct;
    const auto jwk = in->optional("jwk");
    auto inner = jwk ? jwk->object() : Result<JsonObject>(fail(Errc::missing_key, ""));
    if (!inner) return std::nullopt;
    return inner->optional(key);
}

// Entries of key sets may leave the key to their certificate.
bool states_numbers(JsonObject& jwk) { return jwk.optional("n") || jwk.optional("x"); }

}  // namespace

Result<void> TokenSigners::add_certificate(ByteView der) {
    const SignerCertificate certificate = parse_signer_certificate(der);
    if (!certificate) return fail(Errc::bad_value, "not one certificate");
    if (X509_check_ca(certificate.get()) == 1) {
        authorities_.push_back(certificate);
        return {};
    }
    ATTESTD_TRY(JwsKey key, signer_certificate_key(*certificate, algorithm_));
    keys_.push_back({std::move(key), certificate});
    return {};
}

Result<void> TokenSigners::add_jwks(std::string_view text, const std::string& name) {
    ATTESTD_TRY(const auto document, JsonDocument::parse(text, name, kSignerJwksLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    std::vector<JsonValue> jwks{document.root()};
    if (const auto keys = in.optional("keys")) {
        ATTESTD_TRY(jwks, keys->array(kMaxSigners));
    }
    for (const JsonValue& jwk : jwks) {
        ATTESTD_TRY(JwsKey key, JwsKey::from_jwk(jwk, algorithm_));
        keys_.push_back({std::move(key), nullptr});
    }
    return {};
}

Result<TokenSigners> TokenSigners::parse(ByteView file, const std::string& name,
                                         std::optional<JwsAlgorithm> algorithm) {
    TokenSigners out;
    out.algorithm_ = algorithm;
    const std::string_view text = as_text(file);
    const auto start = text.find_first_not_of(" \t\r\n");
    if (start != text.npos && text[start] == '{') {
        ATTESTD_CHECK(out.add_jwks(text, name));
    } else {
        const auto blocks = parse_pem(text, PemStyle::file);
        if (!blocks) return fail_in(name, blocks.error());
        if (blocks->size() > kMaxSigners) return fail(Errc::too_large, name + ": over 32 blocks");
        for (const PemBlock& block : *blocks) {
            Result<void> added =
                fail(Errc::bad_value, "a PEM block \"" + block.label + "\" has no place here");
            if (block.label == "CERTIFICATE") added = out.add_certificate(block.der);
            if (block.label == "PUBLIC KEY") {
                const auto key = JwsKey::from_spki(block.der, algorithm);
                added = key ? Result<void>() : tl::make_unexpected(key.error());
                if (key) out.keys_.push_back({*key, nullptr});
            }
            if (!added) return fail_in(name, added.error());
        }
    }
    if (out.keys_.empty() && out.authorities_.empty())
        return fail(Errc::bad_value, name + ": holds no key");
    return out;
}

// The leaf's key, once its certificates lead to a pinned authority.
Result<JwsKey> TokenSigners::chained_key(const std::optional<JsonValue>& x5c,
                                         const std::optional<JsonValue>& jwk,
                                         std::optional<JwsAlgorithm> algorithm, Time now) const {
    ATTESTD_TRY(const auto certificates, parse_x5c(x5c, kMaxTokenChainLen));
    ATTESTD_TRY(const SignerChain chain,
                SignerChain::verify(certificates.front(), std::span(certificates).subspan(1),
                                    authorities_, now));
    ATTESTD_TRY(JwsKey key, chain.key(algorithm));
    if (!jwk) return key;
    const auto named = JwsKey::from_jwk(*jwk, key.algorithm());
    if (!named || !named->is_same_key(key))
        return untrusted_signer("its \"jwk\" is another key than its certificate's");
    return key;
}

Result<void> TokenSigners::verify(const Jws& token, Time now) const {
    Result<void> result = fail(Errc::token_untrusted, "no signer is pinned");
    for (const Pinned& pinned : keys_) {
        auto tried = token.verify(pinned.key);
        if (tried && pinned.certificate && !signer_is_in_life(pinned.certificate.get(), now))
            tried = untrusted_signer("its pinned certificate has expired, or is not valid yet");
        if (tried) return {};
        // A key of the right kind says more about what is wrong than one of another kind.
        const bool is_first = result.error().code == Errc::token_untrusted;
        if (is_first || tried.error().code != Errc::token_algorithm) result = std::move(tried);
    }
    if (authorities_.empty()) return result;
    const auto key =
        chained_key(signer_member(token, "x5c"), signer_member(token, "jwk"), algorithm_, now);
    if (!key) return tl::make_unexpected(key.error());
    return token.verify(*key);
}

Result<JwsKey> TokenSigners::certified_key(const JsonValue& jwk, JwsAlgorithm algorithm,
                                           Time now) const {
    auto in = jwk.object();
    if (!in) return untrusted_signer(in.error().detail);
    const auto numbers = states_numbers(*in) ? std::optional(jwk) : std::nullopt;
    return chained_key(in->optional("x5c"), numbers, algorithm, now);
}

Result<JwsKey> certificate_or_jwk_key(const JsonValue& jwk, JwsAlgorithm algorithm) {
    ATTESTD_TRY(JsonObject in, jwk.object());
    if (states_numbers(in)) return JwsKey::from_jwk(jwk, algorithm);
    ATTESTD_TRY(const auto chain, parse_x5c(in.optional("x5c"), kMaxKeySetChainLen));
    return signer_certificate_key(*chain.front(), algorithm);
}

Result<JwsKey> key_named_by(const Jws& token) {
    auto in = token.header().root().object();
    const auto jwk = in ? in->optional("jwk") : std::nullopt;
    if (!jwk) return untrusted_signer("its header names no key, and none is pinned");
    const auto key = JwsKey::from_jwk(*jwk, token.algorithm());
    if (!key) return untrusted_signer(key.error().detail);
    return *key;
}

}  // namespace attestd
