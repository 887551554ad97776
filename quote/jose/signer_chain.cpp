#include "quote/jose/signer_chain.h"

#include <fmt/format.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "quote/base/encoding.h"
#include "quote/jose/token_times.h"
#include "quote/x509/algorithm.h"
#include "quote/x509/crl.h"
#include "quote/x509/pem.h"

namespace attestd {
namespace {

constexpr int kMaxSignerDepth = 4;
constexpr int kSignerSecurityLevel = 2;  // 112 bits: RSA 2048 and more, no SHA-1
constexpr std::size_t kMaxCrlAddresses = 4, kMaxCrlAddressLen = 2048;
constexpr std::size_t kMaxSignerNameLen = 256;

using SignerStore = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using SignerStoreCtx = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using DistributionPoints = std::unique_ptr<CRL_DIST_POINTS, Free<CRL_DIST_POINTS_free>>;

struct FreeSignerStack {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, X509_free); }
};
using SignerStack = std::unique_ptr<STACK_OF(X509), FreeSignerStack>;

// The stack's own reference of each.
bool push_all(STACK_OF(X509) * stack, std::span<const SignerCertificate> certificates) {
    return std::all_of(certificates.begin(), certificates.end(), [&](const auto& certificate) {
        if (X509_up_ref(certificate.get()) != 1) return false;
        if (sk_X509_push(stack, certificate.get()) != 0) return true;
        X509_free(certificate.get());
        return false;
    });
}

std::vector<SignerCertificate> built_chain(X509_STORE_CTX* ctx) {
    std::vector<SignerCertificate> out;
    const SignerStack chain(X509_STORE_CTX_get1_chain(ctx));
    for (int i = 0; chain && i < sk_X509_num(chain.get()); ++i) {
        X509* const certificate = sk_X509_value(chain.get(), i);
        if (X509_up_ref(certificate) == 1) out.emplace_back(certificate, X509_free);
    }
    return out;
}

bool is_self_issued(const X509& certificate) {
    return X509_NAME_cmp(X509_get_subject_name(&certificate), X509_get_issuer_name(&certificate)) ==
           0;
}

bool is_authority(const SignerCertificate& certificate) {
    return X509_check_ca(certificate.get()) == 1;
}

Sha256 certificate_digest(const X509& certificate) {
    unsigned char* der = nullptr;
    const int len = i2d_X509(&certificate, &der);
    if (len <= 0) return {};
    const Sha256 out = sha256(ByteView(der, static_cast<std::size_t>(len)));
    OPENSSL_free(der);
    return out;
}

// What an entry's own certificates say is its root: trusted for its digest, or, without one, for
// the connection that the key set came by.
Result<SignerCertificate> own_root(std::span<const SignerCertificate> certificates,
                                   const std::optional<Sha256>& root) {
    SignerCertificate found;
    for (const SignerCertificate& certificate : certificates) {
        if (!is_authority(certificate) || !is_self_issued(*certificate)) continue;
        if (found) return untrusted_signer("\"x5c\" holds more than one root");
        found = certificate;
    }
    if (!found) return untrusted_signer("\"x5c\" holds no root");
    if (!root || certificate_digest(*found) == *root) return found;
    return untrusted_signer(
        fmt::format("its root has the SHA-256 {}, which is not the configured one",
                    to_hex(certificate_digest(*found))));
}

// ECDSA and RSA with SHA-2; of RSASSA-PSS the one form that quote/x509 knows.
bool is_strong(const X509_ALGOR* algorithm) {
    constexpr std::array<int, 6> kStrong{NID_ecdsa_with_SHA256,       NID_ecdsa_with_SHA384,
                                         NID_ecdsa_with_SHA512,       NID_sha256WithRSAEncryption,
                                         NID_sha384WithRSAEncryption, NID_sha512WithRSAEncryption};
    const ASN1_OBJECT* object = nullptr;
    X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
    if (std::find(kStrong.begin(), kStrong.end(), OBJ_obj2nid(object)) != kStrong.end())
        return true;
    unsigned char* der = nullptr;
    const int len = i2d_X509_ALGOR(algorithm, &der);
    if (len <= 0) return false;
    DerReader in(ByteView(der, static_cast<std::size_t>(len)));
    const bool is_pss = parse_signature_algorithm(in, "CRL").has_value();
    OPENSSL_free(der);
    return is_pss;
}

void add_addresses(const DIST_POINT& point, std::vector<std::string>& out) {
    constexpr int kFullName = 0;
    // Lists by other issuers, or for some reasons alone, are no answer to whether it is revoked.
    if (point.CRLissuer != nullptr || point.reasons != nullptr) return;
    if (point.distpoint == nullptr || point.distpoint->type != kFullName) return;
    const GENERAL_NAMES* const names = point.distpoint->name.fullname;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        int type = 0;
        const void* const value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type != GEN_URI || value == nullptr || out.size() >= kMaxCrlAddresses) continue;
        const auto* const text = static_cast<const ASN1_IA5STRING*>(value);
        const std::string address(as_text(ByteView(
            ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text)))));
        const bool is_plain =
            !address.empty() && address.size() <= kMaxCrlAddressLen &&
            std::all_of(address.begin(), address.end(), [](char c) { return c > ' ' && c <= '~'; });
        if (is_plain) out.push_back(address);
    }
}

tl::unexpected<Error> bad_list(std::string_view why) {
    clear_crypto_errors();
    return fail(Errc::crl_malformed, fmt::format("revocation list: {}", why));
}

bool has_critical_extension(const X509_CRL* list) {
    for (int i = 0; i < X509_CRL_get_ext_count(list); ++i) {
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(list, i)) != 0) return true;
    }
    return X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0;
}

// Entries of an indirect list belong to others, which is what a critical extension in one says.
bool has_critical_entry(X509_CRL* list) {
    const STACK_OF(X509_REVOKED)* const revoked = X509_CRL_get_REVOKED(list);
    for (int i = 0; i < sk_X509_REVOKED_num(revoked); ++i) {
        const X509_REVOKED* const entry = sk_X509_REVOKED_value(revoked, i);
        for (int j = 0; j < X509_REVOKED_get_ext_count(entry); ++j) {
            if (X509_EXTENSION_get_critical(X509_REVOKED_get_ext(entry, j)) != 0) return true;
        }
    }
    return false;
}

}  // namespace

SignerCertificate parse_signer_certificate(ByteView der) {
    const unsigned char* at = der.data();
    SignerCertificate out(d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free);
    if (out && at == der.data() + der.size()) return out;
    clear_crypto_errors();
    return nullptr;
}

tl::unexpected<Error> untrusted_signer(std::string_view why) {
    return fail(Errc::token_untrusted, fmt::format("the token's signer: {}", why));
}

Result<JwsKey> signer_certificate_key(const X509& certificate,
                                      std::optional<JwsAlgorithm> algorithm) {
    unsigned char* der = nullptr;
    const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(&certificate), &der);
    if (len <= 0) return fail_crypto("a certificate's key");
    const Bytes spki(der, der + len);
    OPENSSL_free(der);
    return JwsKey::from_spki(spki, algorithm);
}

Result<std::vector<SignerCertificate>> parse_x5c(const std::optional<JsonValue>& x5c,
                                                 std::size_t max_len) {
    if (!x5c) return untrusted_signer("it brings no certificates, and they are needed");
    const auto elements = x5c->array(max_len);
    if (!elements || elements->empty()) {
        return untrusted_signer(fmt::format("\"x5c\" is no list of 1 to {} certificates", max_len));
    }
    std::vector<SignerCertificate> out;
    for (const JsonValue& element : *elements) {
        const auto text = element.text();
        const auto der = text ? from_base64(*text, "x5c") : Result<Bytes>(fail(Errc::bad_json, ""));
        SignerCertificate certificate = der ? parse_signer_certificate(*der) : nullptr;
        if (!certificate) return untrusted_signer("\"x5c\" holds something that is no certificate");
        out.push_back(std::move(certificate));
    }
    return out;
}

Result<SignerChain> SignerChain::verify(const SignerCertificate& leaf,
                                        std::span<const SignerCertificate> others,
                                        std::span<const SignerCertificate> trusted, Time now) {
    const SignerStore store(X509_STORE_new());
    const SignerStoreCtx ctx(X509_STORE_CTX_new());
    const SignerStack between(sk_X509_new_null());
    if (!store || !ctx || !between || !push_all(between.get(), others))
        return fail_crypto("a store of certificates");
    for (const SignerCertificate& authority : trusted) {
        if (X509_STORE_add_cert(store.get(), authority.get()) != 1)
            return fail_crypto("a pinned authority");
    }
    if (X509_STORE_CTX_init(ctx.get(), store.get(), leaf.get(), between.get()) != 1)
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
    std::vector<SignerCertificate> chain = built_chain(ctx.get());
    if (chain.empty()) return fail_crypto("a chain");
    return SignerChain(std::move(chain));
}

Result<SignerChain> SignerChain::of_key(const JsonValue& jwk, JwsAlgorithm algorithm,
                                        std::span<const SignerCertificate> authorities,
                                        const std::optional<Sha256>& root, Time now) {
    auto in = jwk.object();
    if (!in) return untrusted_signer(in.error().detail);
    ATTESTD_TRY(auto certificates, parse_x5c(in->optional("x5c"), kMaxKeySetChainLen));
    const auto first_leaf = std::partition(certificates.begin(), certificates.end(), is_authority);
    if (certificates.end() - first_leaf != 1)
        return untrusted_signer("\"x5c\" holds not exactly one certificate that is no authority");
    const SignerCertificate leaf = certificates.back();
    certificates.pop_back();
    std::vector<SignerCertificate> trusted(authorities.begin(), authorities.end());
    if (trusted.empty()) {
        ATTESTD_TRY(trusted.emplace_back(), own_root(certificates, root));
    }
    ATTESTD_TRY(SignerChain out, verify(leaf, certificates, trusted, now));
    if (!in->optional("n") && !in->optional("x")) return out;
    ATTESTD_TRY(const JwsKey key, out.key(algorithm));
    ATTESTD_TRY(const JwsKey named, JwsKey::from_jwk(jwk, algorithm));
    if (!named.is_same_key(key))
        return untrusted_signer("its \"jwk\" is another key than its certificate's");
    return out;
}

std::string signer_name(const X509& certificate) {
    std::array<char, kMaxSignerNameLen> out{};
    X509_NAME_oneline(X509_get_subject_name(&certificate), out.data(),
                      static_cast<int>(out.size()));
    return out.data();
}

std::vector<std::string> crl_addresses(const X509& certificate) {
    std::vector<std::string> out;
    const DistributionPoints points(static_cast<CRL_DIST_POINTS*>(
        X509_get_ext_d2i(&certificate, NID_crl_distribution_points, nullptr, nullptr)));
    clear_crypto_errors();
    for (int i = 0; points && i < sk_DIST_POINT_num(points.get()); ++i)
        add_addresses(*sk_DIST_POINT_value(points.get(), i), out);
    return out;
}

Result<SignerCrl> SignerCrl::parse(ByteView bytes) {
    if (bytes.size() > kMaxCrlLen) return bad_list("over 1 MiB");
    Bytes der = to_bytes(bytes);
    if (looks_like_pem(bytes)) {
        const auto blocks = parse_pem(as_text(bytes), PemStyle::file);
        if (!blocks || blocks->size() != 1 || blocks->front().label != "X509 CRL")
            return bad_list("its PEM is not one block \"X509 CRL\"");
        der = blocks->front().der;
    }
    const unsigned char* at = der.data();
    std::shared_ptr<X509_CRL> list(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())),
                                   X509_CRL_free);
    if (!list || at != der.data() + der.size()) return bad_list("it is none (DER or PEM)");
    if (X509_CRL_get0_nextUpdate(list.get()) == nullptr) return bad_list("it has no nextUpdate");
    if (has_critical_extension(list.get()) || has_critical_entry(list.get()))
        return bad_list("it has a critical extension, or holds differences alone");
    return SignerCrl(std::move(list));
}

Result<void> SignerCrl::check(const X509& issuer, Time now) const {
    const std::string name = signer_name(issuer);
    if (X509_NAME_cmp(X509_CRL_get_issuer(list_.get()), X509_get_subject_name(&issuer)) != 0) {
        return fail(Errc::crl_issuer, fmt::format("revocation list: it is not that of {}", name));
    }
    // The cache of extensions that the usage comes from is filled by the chain's verification.
    if ((X509_get_key_usage(const_cast<X509*>(&issuer)) & KU_CRL_SIGN) == 0)
        return fail(Errc::crl_issuer, fmt::format("{} may not sign revocation lists", name));
    const ASN1_BIT_STRING* signature = nullptr;
    const X509_ALGOR* algorithm = nullptr;
    X509_CRL_get0_signature(list_.get(), &signature, &algorithm);
    EVP_PKEY* const key = X509_get0_pubkey(&issuer);
    if (!is_strong(algorithm) || key == nullptr || X509_CRL_verify(list_.get(), key) != 1) {
        clear_crypto_errors();
        return fail(Errc::crl_signature, fmt::format("revocation list: {} did not sign it", name));
    }
    time_t at = now.time_since_epoch().count();
    if (X509_cmp_time(X509_CRL_get0_nextUpdate(list_.get()), &at) <= 0) {
        return fail(Errc::crl_expired,
                    fmt::format("revocation list of {}: its next one is due since before {}", name,
                                to_rfc3339(now)));
    }
    at += kMaxTokenSkew.count();
    if (X509_cmp_time(X509_CRL_get0_lastUpdate(list_.get()), &at) >= 0) {
        return fail(
            Errc::crl_not_yet_valid,
            fmt::format("revocation list of {}: it is not valid yet at {}", name, to_rfc3339(now)));
    }
    return {};
}

bool SignerCrl::revokes(const X509& certificate) const {
    X509_REVOKED* entry = nullptr;
    // By issuer and number: entries without an issuer of their own are the list's issuer's.
    return X509_CRL_get0_by_serial(list_.get(), &entry, X509_get0_serialNumber(&certificate)) != 0;
}

}  // namespace attestd
