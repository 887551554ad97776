#include "tests/unit/forge/openssl_reader.h"

#include <openssl/ec.h>

#include <array>

namespace attestd::test {
namespace {

using Store = std::unique_ptr<X509_STORE, Free<X509_STORE_free>>;
using StoreCtx = std::unique_ptr<X509_STORE_CTX, Free<X509_STORE_CTX_free>>;
using X509Stack =
    std::unique_ptr<STACK_OF(X509), Free<[](STACK_OF(X509) * s) { sk_X509_free(s); }>>;
using EcdsaSig = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

// Bytes as one of OpenSSL's i2d functions writes them.
template <class T>
Bytes written(T* object, int (*i2d)(T*, unsigned char**)) {
    Bytes out(static_cast<std::size_t>(i2d(object, nullptr)));
    unsigned char* at = out.data();
    i2d(object, &at);
    return out;
}

}  // namespace

X509Ptr read_certificate(ByteView der) {
    const unsigned char* at = der.data();
    X509Ptr out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!out || at != der.data() + der.size()) return nullptr;
    // Forces OpenSSL to encode anew, so that DER which it would not write itself is noticed.
    i2d_re_X509_tbs(out.get(), nullptr);
    return equal(written<const X509>(out.get(), i2d_X509), der) ? std::move(out) : nullptr;
}

X509CrlPtr read_crl(ByteView der) {
    const unsigned char* at = der.data();
    X509CrlPtr out(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
    if (!out || at != der.data() + der.size()) return nullptr;
    i2d_re_X509_CRL_tbs(out.get(), nullptr);
    return equal(written<const X509_CRL>(out.get(), i2d_X509_CRL), der) ? std::move(out) : nullptr;
}

std::string verify_chain(const ChainCheck& chain) {
    const X509Ptr leaf = read_certificate(chain.leaf), root = read_certificate(chain.root);
    const Store store(X509_STORE_new());
    const X509Stack untrusted(sk_X509_new_null());
    const StoreCtx ctx(X509_STORE_CTX_new());
    if (!leaf || !root || X509_STORE_add_cert(store.get(), root.get()) != 1) return "not readable";
    std::vector<X509Ptr> owned;
    for (const Bytes& der : chain.intermediates) {
        owned.push_back(read_certificate(der));
        if (!owned.back()) return "not readable";
        sk_X509_push(untrusted.get(), owned.back().get());
    }
    for (const Bytes& der : chain.crls) {
        const X509CrlPtr crl = read_crl(der);
        if (!crl || X509_STORE_add_crl(store.get(), crl.get()) != 1) return "CRL not readable";
    }
    X509_STORE_CTX_init(ctx.get(), store.get(), leaf.get(), untrusted.get());
    X509_VERIFY_PARAM* const param = X509_STORE_CTX_get0_param(ctx.get());
    X509_VERIFY_PARAM_set_time(param, chain.at.time_since_epoch().count());
    if (!chain.crls.empty()) {
        X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    if (X509_verify_cert(ctx.get()) == 1) return "ok";
    const std::string why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx.get()));
    clear_crypto_errors();
    return why;
}

bool verifies(ByteView certificate_der, const EVP_MD* digest, ByteView message,
              ByteView signature) {
    const X509Ptr certificate = read_certificate(certificate_der);
    const EvpMdCtx ctx(EVP_MD_CTX_new());
    const bool good = certificate &&
                      EVP_DigestVerifyInit(ctx.get(), nullptr, digest, nullptr,
                                           X509_get0_pubkey(certificate.get())) == 1 &&
                      EVP_DigestVerify(ctx.get(), signature.data(), signature.size(),
                                       message.data(), message.size()) == 1;
    clear_crypto_errors();
    return good;
}

Bytes der_signature(ByteView r, ByteView s) {
    const EcdsaSig signature(ECDSA_SIG_new());
    ECDSA_SIG_set0(signature.get(), BN_bin2bn(r.data(), static_cast<int>(r.size()), nullptr),
                   BN_bin2bn(s.data(), static_cast<int>(s.size()), nullptr));
    return written<const ECDSA_SIG>(signature.get(), i2d_ECDSA_SIG);
}

std::string subject_part(const X509* certificate, int nid) {
    std::array<char, 128> text{};
    const int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), nid, text.data(),
                                              static_cast<int>(text.size()));
    return len < 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(len));
}

}  // namespace attestd::test
