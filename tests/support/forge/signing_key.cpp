#include "tests/support/forge/signing_key.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <mutex>

#include "quote/base/secret.h"

namespace attestd::forge {
namespace {

using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using EcdsaSig = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

constexpr std::size_t kMaxPemLen = 8192;
constexpr int kPssSaltLen = 48;
constexpr unsigned kKeyFileMode = 0600;

// Ends the test when OpenSSL's call did not do what it should.
void expect(bool done, const char* what) {
    if (!done) throw ForgeError(fail_crypto(what).value().detail);
}

EvpPkey generate(KeyKind kind) {
    EVP_PKEY* const key =
        kind == KeyKind::rsa4096
            ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{4096})
            : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind == KeyKind::p256 ? "P-256" : "P-384");
    expect(key != nullptr, "generating a key");
    return EvpPkey(key);
}

// DER as one of OpenSSL's i2d functions writes it.
Bytes written(EVP_PKEY* key, int (*i2d)(const EVP_PKEY*, unsigned char**)) {
    const int len = i2d(key, nullptr);
    expect(len > 0, "encoding a public key");
    Bytes out(static_cast<std::size_t>(len));
    unsigned char* at = out.data();
    expect(i2d(key, &at) == len, "encoding a public key");
    return out;
}

const EVP_MD* digest_of(Signature algorithm) {
    return algorithm == Signature::ecdsa_sha256 ? EVP_sha256() : EVP_sha384();
}

bool is_pss(Signature algorithm) {
    return algorithm == Signature::rsa_pss_sha384 || algorithm == Signature::rsa_pss_sha384_trailer;
}

bool fits(const EVP_PKEY* key, KeyKind kind) {
    if (kind == KeyKind::rsa4096) {
        return EVP_PKEY_is_a(key, "RSA") == 1 && EVP_PKEY_get_bits(key) == 4096;
    }
    return EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_bits(key) == (kind == KeyKind::p256 ? 256 : 384);
}

Result<Bytes> to_pem(EVP_PKEY* key) {
    const Bio out(BIO_new(BIO_s_secmem()));
    if (!out ||
        PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return fail_crypto("writing a private key");
    }
    Bytes pem(BIO_ctrl_pending(out.get()));
    if (BIO_read(out.get(), pem.data(), static_cast<int>(pem.size())) !=
        static_cast<int>(pem.size())) {
        return fail_crypto("writing a private key");
    }
    return pem;
}

}  // namespace

struct SigningKey::State {
    explicit State(KeyKind k) : kind(k) {}
    const KeyKind kind;
    std::once_flag made;
    EvpPkey key;
};

SigningKey::SigningKey(KeyKind kind) : state_(std::make_shared<State>(kind)) {}

SigningKey::SigningKey(KeyKind kind, EvpPkey key) : SigningKey(kind) {
    state_->key = std::move(key);
}

KeyKind SigningKey::kind() const noexcept { return state_->kind; }

EVP_PKEY* SigningKey::key() const {
    std::call_once(state_->made, [this] {
        if (!state_->key) state_->key = generate(state_->kind);
    });
    return state_->key.get();
}

Result<SigningKey> SigningKey::load_or_create(const Fd& dir, const std::string& name,
                                              KeyKind kind) {
    const auto fd = open_at(dir, name, O_RDONLY);
    if (!fd && fd.error().code != Errc::not_found) return tl::make_unexpected(fd.error());
    if (!fd) {
        SigningKey made(kind);
        ATTESTD_TRY(Bytes pem, to_pem(made.key()));
        const auto saved = replace_file(dir, name, pem, kKeyFileMode);
        wipe_bytes(pem);
        ATTESTD_CHECK(saved);
        return made;
    }
    ATTESTD_TRY(Bytes pem, read_all(*fd, kMaxPemLen, name));
    const Bio in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    EvpPkey key(in ? PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr) : nullptr);
    wipe_bytes(pem);
    clear_crypto_errors();
    if (!key || !fits(key.get(), kind)) {
        return fail(Errc::bad_value, name +
                                         ": is not a private key of the kind that is needed; "
                                         "remove it to have a new one made");
    }
    return SigningKey(kind, std::move(key));
}

Bytes SigningKey::spki() const { return written(key(), i2d_PUBKEY); }

Bytes SigningKey::point() const {
    unsigned char* encoded = nullptr;
    const std::size_t len = EVP_PKEY_get1_encoded_public_key(key(), &encoded);
    expect(len > 1, "reading a public point");
    const std::unique_ptr<unsigned char, Free<[](unsigned char* p) { OPENSSL_free(p); }>> owner(
        encoded);
    const ByteView uncompressed(encoded, len);
    return to_bytes(uncompressed.subspan(1));  // without the lead byte 4
}

ByteArray<20> SigningKey::key_id() const {
    const Bytes public_key = written(key(), i2d_PublicKey);
    ByteArray<20> id{};
    expect(EVP_Digest(public_key.data(), public_key.size(), id.data(), nullptr, EVP_sha1(),
                      nullptr) == 1,
           "digesting a public key");
    return id;
}

Bytes SigningKey::sign(Signature algorithm, ByteView message) const {
    const EvpMdCtx ctx(EVP_MD_CTX_new());
    EVP_PKEY_CTX* options = nullptr;  // owned by ctx
    expect(ctx != nullptr, "signing");
    expect(EVP_DigestSignInit(ctx.get(), &options, digest_of(algorithm), nullptr, key()) == 1,
           "signing");
    if (is_pss(algorithm)) {
        expect(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1, "PSS padding");
        expect(EVP_PKEY_CTX_set_rsa_mgf1_md(options, EVP_sha384()) == 1, "PSS digest");
        expect(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, kPssSaltLen) == 1, "PSS salt");
    }
    std::size_t len = 0;
    expect(EVP_DigestSign(ctx.get(), nullptr, &len, message.data(), message.size()) == 1,
           "signing");
    Bytes signature(len);
    expect(EVP_DigestSign(ctx.get(), signature.data(), &len, message.data(), message.size()) == 1,
           "signing");
    signature.resize(len);
    return signature;
}

Bytes SigningKey::sign_raw(ByteView message) const {
    if (kind() == KeyKind::rsa4096) throw ForgeError("an RSA signature has no r and s");
    const bool p256 = kind() == KeyKind::p256;
    const Bytes der = sign(p256 ? Signature::ecdsa_sha256 : Signature::ecdsa_sha384, message);
    const unsigned char* at = der.data();
    const EcdsaSig parsed(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
    expect(parsed != nullptr, "reading a signature");
    const int len = p256 ? 32 : 48;
    Bytes out(2 * static_cast<std::size_t>(len));
    const std::span r = std::span(out).first(out.size() / 2), s = std::span(out).last(r.size());
    expect(BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), r.data(), len) == len, "writing r");
    expect(BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), s.data(), len) == len, "writing s");
    return out;
}

}  // namespace attestd::forge
