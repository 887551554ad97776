// Tokens for tests: throw-away keys of every kind that signs JWS, and compact tokens with whatever
// header and payload a test wants.
#pragma once

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "quote/base/base64url.h"
#include "quote/base/ossl.h"
#include "tests/support/catch.h"

namespace attestd::test {

class JwsForge final {
 public:
    /// "P-256", "P-384", "P-521", "RSA" (2048 bits).
    explicit JwsForge(const std::string& kind) : is_rsa_(kind == "RSA") {
        key_.reset(is_rsa_ ? EVP_RSA_gen(2048) : EVP_EC_gen(kind.c_str()));
        REQUIRE(key_);
    }

    [[nodiscard]] Bytes spki() const {
        unsigned char* der = nullptr;
        const int len = i2d_PUBKEY(key_.get(), &der);
        REQUIRE(len > 0);
        Bytes out(der, der + len);
        OPENSSL_free(der);
        return out;
    }

    [[nodiscard]] EVP_PKEY* key() const { return key_.get(); }

    /// The public JWK; of P-256 alone.
    [[nodiscard]] nlohmann::json jwk() const {
        const Bytes der = spki();
        const ByteView point = ByteView(der).last(64);
        return {{"kty", "EC"},
                {"crv", "P-256"},
                {"alg", "ES256"},
                {"x", to_base64url(point.first(32))},
                {"y", to_base64url(point.last(32))}};
    }

    /// A token over `payload`, signed as `algorithm` says, whatever the header says.
    [[nodiscard]] std::string sign(const std::string& algorithm, const nlohmann::json& header,
                                   const std::string& payload) const {
        const std::string text =
            to_base64url(as_bytes(header.dump())) + "." + to_base64url(as_bytes(payload));
        return text + "." + to_base64url(signature(algorithm, text));
    }
    [[nodiscard]] std::string sign(const std::string& algorithm, const std::string& payload) const {
        return sign(algorithm, {{"alg", algorithm}, {"typ", "JWT"}}, payload);
    }

 private:
    [[nodiscard]] Bytes signature(const std::string& algorithm, const std::string& text) const {
        const EVP_MD* const digest = algorithm.ends_with("256")   ? EVP_sha256()
                                     : algorithm.ends_with("384") ? EVP_sha384()
                                                                  : EVP_sha512();
        const EvpMdCtx ctx(EVP_MD_CTX_new());
        EVP_PKEY_CTX* pkey = nullptr;
        REQUIRE(EVP_DigestSignInit(ctx.get(), &pkey, digest, nullptr, key_.get()) == 1);
        if (algorithm.starts_with("PS")) {
            REQUIRE(EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING) == 1);
            REQUIRE(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, RSA_PSS_SALTLEN_DIGEST) == 1);
        }
        const ByteView bytes = as_bytes(text);
        std::size_t len = 0;
        REQUIRE(EVP_DigestSign(ctx.get(), nullptr, &len, bytes.data(), bytes.size()) == 1);
        Bytes out(len);
        REQUIRE(EVP_DigestSign(ctx.get(), out.data(), &len, bytes.data(), bytes.size()) == 1);
        out.resize(len);
        return is_rsa_ ? out : raw(out);
    }

    [[nodiscard]] Bytes raw(const Bytes& der) const {
        const std::size_t half = static_cast<std::size_t>(EVP_PKEY_get_bits(key_.get()) + 7) / 8;
        const unsigned char* at = der.data();
        const std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>> signature(
            d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
        REQUIRE(signature);
        Bytes out(2 * half);
        REQUIRE(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(),
                             static_cast<int>(half)) > 0);
        REQUIRE(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + half,
                             static_cast<int>(half)) > 0);
        return out;
    }

    EvpPkey key_;
    bool is_rsa_;
};

/// A certificate over `subject`, signed by `issuer` (itself, for a root), valid from an hour before
/// `now` for a day.
[[nodiscard]] inline Bytes jws_certificate(const JwsForge& subject, const std::string& name,
                                           const JwsForge& issuer, const std::string& issuer_name,
                                           bool is_authority, std::int64_t now) {
    using Certificate = std::unique_ptr<X509, Free<X509_free>>;
    const Certificate made(X509_new());
    REQUIRE(made);
    X509_set_version(made.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    ASN1_TIME_set(X509_getm_notBefore(made.get()), now - 3600);
    ASN1_TIME_set(X509_getm_notAfter(made.get()), now + 86400);
    const auto set_name = [](X509_NAME* to, const std::string& text) {
        const auto* const bytes = as_bytes(text).data();
        REQUIRE(X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_ASC, bytes,
                                           static_cast<int>(text.size()), -1, 0) == 1);
    };
    set_name(X509_get_subject_name(made.get()), name);
    const std::unique_ptr<X509_NAME, Free<X509_NAME_free>> from(X509_NAME_new());
    set_name(from.get(), issuer_name);
    X509_set_issuer_name(made.get(), from.get());
    REQUIRE(X509_set_pubkey(made.get(), subject.key()) == 1);
    if (is_authority) {
        const std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>> constraints(
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE"));
        REQUIRE(constraints);
        REQUIRE(X509_add_ext(made.get(), constraints.get(), -1) == 1);
    }
    REQUIRE(X509_sign(made.get(), issuer.key(), EVP_sha256()) > 0);
    unsigned char* der = nullptr;
    const int len = i2d_X509(made.get(), &der);
    REQUIRE(len > 0);
    Bytes out(der, der + len);
    OPENSSL_free(der);
    return out;
}

}  // namespace attestd::test
