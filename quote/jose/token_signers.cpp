#include "quote/jose/token_signers.h"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "quote/base/encoding.h"
#include "quote/x509/pem.h"

namespace attestd {
namespace {

constexpr std::size_t kMaxSigners = 32;
constexpr std::size_t kMaxSignerChainLen = 6;
constexpr int kMaxSignerDepth = 4;
constexpr int kSignerSecurityLevel = 2;  // 112 bits: RSA 2048 and more, no SHA-1
constexpr JsonLimits kSignerJwksLimits{.max_len = 262144, .max_depth = 8};

using SignerCertificate = std::unique_ptr<X509, Free<X509_free>>;
using SignerStore = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using SignerStoreCtx = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;

struct FreeSignerStack {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};
using SignerStack = std::unique_ptr<STACK_OF(X509), FreeSignerStack>;

tl::unexpected<Error> untrusted_signer(std::string_view why) {
    return fail(Errc::token_untrusted, fmt::format("the token's signer: {}", why));
}

SignerCertificate signer_certificate(ByteView der) {
    const unsigned char* at = der.data();
    SignerCertificate out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (out && at != der.data() + der.size()) out.reset();
    if (!out) clear_crypto_errors();
    return out;
}

Result<JwsKey> signer_key(const X509* certificate, std::optional<JwsAlgorithm> algorithm) {
    unsigned char* der = nullptr;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (len <= 0) return fail_crypto("a certificate's key");
    const Bytes spki(der, der + len);
    OPENSSL_free(der);
    return JwsKey::from_spki(spki, algorithm);
}

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

Result<std::vector<SignerCertificate>> signer_chain(const std::optional<JsonValue>& x5c) {
    if (!x5c)
        return untrusted_signer("it brings no certificates, and a pinned authority needs them");
    const auto elements = x5c->array(kMaxSignerChainLen);
    if (!elements || elements->empty())
        return untrusted_signer("\"x5c\" is no list of certificates");
    std::vector<SignerCertificate> out;
    for (const JsonValue& element : *elements) {
        const auto text = element.text();
        const auto der = text ? from_base64(*text, "x5c") : Result<Bytes>(fail(Errc::bad_json, ""));
        SignerCertificate certificate = der ? signer_certificate(*der) : nullptr;
        if (!certificate) return untrusted_signer("\"x5c\" holds something that is no certificate");
        out.push_back(std::move(certificate));
    }
    return out;
}

// Entries of key sets may leave the key to their certificate.
bool states_numbers(JsonObject& jwk) { return jwk.optional("n") || jwk.optional("x"); }

}  // namespace

Result<void> TokenSigners::add_certificate(ByteView der) {
    SignerCertificate decoded = signer_certificate(der);
    if (!decoded) return fail(Errc::bad_value, "not one certificate");
    const Certificate certificate(std::move(decoded));
    if (X509_check_ca(certificate.get()) == 1) {
        authorities_.push_back(certificate);
        return {};
    }
    ATTESTD_TRY(JwsKey key, signer_key(certificate.get(), algorithm_));
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
    ATTESTD_TRY(auto chain, signer_chain(x5c));
    const SignerStore store(X509_STORE_new());
    const SignerStoreCtx ctx(X509_STORE_CTX_new());
    const SignerStack others(sk_X509_new_null());
    if (!store || !ctx || !others) return fail_crypto("a store of certificates");
    for (const Certificate& authority : authorities_) {
        if (X509_STORE_add_cert(store.get(), authority.get()) != 1)
            return fail_crypto("a pinned authority");
    }
    const SignerCertificate leaf = std::move(chain.front());
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (sk_X509_push(others.get(), chain[i].get()) == 0) return fail_crypto("a chain");
        static_cast<void>(chain[i].release());
    }
    if (X509_STORE_CTX_init(ctx.get(), store.get(), leaf.get(), others.get()) != 1)
        return fail_crypto("a chain");
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_time(param, now.time_since_epoch().count());
    X509_VERIFY_PARAM_set_depth(param, kMaxSignerDepth);
    X509_VERIFY_PARAM_set_auth_level(param, kSignerSecurityLevel);
    // What is pinned is trusted, be it self-signed or not.
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    if (X509_verify_cert(ctx.get()) != 1) {
        const int why = X509_STORE_CTX_get_error(ctx.get());
        clear_crypto_errors();
        return untrusted_signer(X509_verify_cert_error_string(why));
    }
    if ((X509_get_key_usage(leaf.get()) & KU_DIGITAL_SIGNATURE) == 0)
        return untrusted_signer("its certificate is not for signatures");
    ATTESTD_TRY(JwsKey key, signer_key(leaf.get(), algorithm));
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
    ATTESTD_TRY(const auto chain, signer_chain(in.optional("x5c")));
    return signer_key(chain.front().get(), algorithm);
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
