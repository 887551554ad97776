#include "agent/store/recovery_slot.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>

#include <array>

#include "agent/store/internal/bytes.h"
#include "agent/store/internal/crypto.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::string_view kRecoveryInfo = "attestd store recovery slot v1";
constexpr std::size_t kSharedLen = 32;  // of both kinds: u coordinate, or x coordinate
constexpr std::size_t kMaxPemLen = 4096;
constexpr std::size_t kMaxRawLen = 65;

using Bio = std::unique_ptr<BIO, Free<BIO_free>>;

constexpr std::size_t raw_len(RecoveryAlgorithm algorithm) noexcept {
    return algorithm == RecoveryAlgorithm::x25519 ? 32 : 65;
}

std::string_view algorithm_name(RecoveryAlgorithm algorithm) noexcept {
    return algorithm == RecoveryAlgorithm::x25519 ? "X25519" : "P-256";
}

std::string fingerprint_of(ByteView public_raw) {
    return to_hex(ByteView(sha256(public_raw)).first(8));
}

// X25519, or an EC key on exactly P-256.
Result<RecoveryAlgorithm> algorithm_of(const EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "X25519") == 1) return RecoveryAlgorithm::x25519;
    std::array<char, 32> group{};
    std::size_t len = 0;
    if (EVP_PKEY_is_a(key, "EC") == 1 &&
        EVP_PKEY_get_group_name(key, group.data(), group.size(), &len) == 1 &&
        std::string_view(group.data(), len) == "prime256v1") {
        return RecoveryAlgorithm::p256;
    }
    clear_crypto_errors();
    return fail(Errc::unsupported_type, "a recovery key is X25519 or P-256");
}

Result<Bytes> public_raw_of(EVP_PKEY* key, RecoveryAlgorithm algorithm) {
    // A key read from a file may ask for compressed points; the slot's form is fixed.
    if (algorithm == RecoveryAlgorithm::p256 &&
        EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED) != 1) {
        return fail_crypto("recovery key: form of its point");
    }
    ByteArray<kMaxRawLen> raw{};
    std::size_t len = 0;
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, raw.data(),
                                        raw.size(), &len) != 1 ||
        len != raw_len(algorithm)) {
        return fail_crypto("recovery key: its public half");
    }
    return to_bytes(ByteView(raw).first(len));
}

Result<EvpPkey> generate(RecoveryAlgorithm algorithm) {
    EvpPkey key(algorithm == RecoveryAlgorithm::x25519
                    ? EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")
                    : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    if (!key) return fail_crypto("making a key pair");
    return key;
}

// The public key `raw` as a key of the same kind and group as `like`, which stays as it is.
Result<EvpPkey> public_key_from(ByteView raw, RecoveryAlgorithm algorithm) {
    EvpPkey key;
    if (algorithm == RecoveryAlgorithm::x25519) {
        key.reset(
            EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, raw.data(), raw.size()));
    } else if (raw.size() == raw_len(algorithm) && raw[0] == 0x04) {
        const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
        static char group[] = "P-256";
        const std::array<OSSL_PARAM, 3> params{
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
            OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                              const_cast<std::uint8_t*>(raw.data()), raw.size()),
            OSSL_PARAM_construct_end()};
        EVP_PKEY* made = nullptr;
        if (ctx && EVP_PKEY_fromdata_init(ctx.get()) == 1 &&
            EVP_PKEY_fromdata(ctx.get(), &made, EVP_PKEY_PUBLIC_KEY,
                              const_cast<OSSL_PARAM*>(params.data())) == 1) {
            key.reset(made);
        }
    }
    if (!key) {
        clear_crypto_errors();
        return fail(Errc::bad_value, "not a public key of its kind");
    }
    return key;
}

// The output of the key agreement, in memory for secrets.
Result<Secret> agree(EVP_PKEY* own, EVP_PKEY* peer) {
    const EvpPkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
    ATTESTD_TRY(Secret shared, Secret::zeroed(kSharedLen));
    std::size_t len = kSharedLen;
    // EVP_PKEY_derive_set_peer checks the peer's key; X25519 fails on an all-zero output.
    const bool good = ctx && EVP_PKEY_derive_init(ctx.get()) == 1 &&
                      EVP_PKEY_derive_set_peer(ctx.get(), peer) == 1 &&
                      shared.fill([&](std::span<std::uint8_t> out) {
                          return EVP_PKEY_derive(ctx.get(), out.data(), &len) == 1;
                      });
    if (!good || len != kSharedLen) return fail_crypto("key agreement");
    return shared;
}

Result<Secret> slot_key_from(const Secret& shared, RecoveryAlgorithm algorithm, ByteView ephemeral,
                             ByteView recipient) {
    Bytes salt = to_bytes(ephemeral);
    store::append(salt, recipient);
    std::string info(kRecoveryInfo);
    info += static_cast<char>(algorithm);
    return store::hkdf(shared, salt, info, store::kKeyLen);
}

// Params: the algorithm's number, E, R.
struct RecoveryParams {
    RecoveryAlgorithm algorithm;
    ByteView ephemeral, recipient;
};

Result<RecoveryParams> parse_params(ByteView params) {
    Reader in(params);
    ATTESTD_TRY(const std::uint8_t number, in.u8("algorithm"));
    const auto algorithm = static_cast<RecoveryAlgorithm>(number);
    if (algorithm != RecoveryAlgorithm::x25519 && algorithm != RecoveryAlgorithm::p256) {
        return fail(Errc::store_corrupt, fmt::format("unknown recovery algorithm {}", number));
    }
    ATTESTD_TRY(const ByteView ephemeral, in.bytes(raw_len(algorithm), "ephemeral key"));
    ATTESTD_TRY(const ByteView recipient, in.bytes(raw_len(algorithm), "recovery key"));
    ATTESTD_CHECK(in.finish("recovery slot"));
    return RecoveryParams{algorithm, ephemeral, recipient};
}

Result<RecoveryParams> read_recovery_params(ByteView params) {
    auto parsed = parse_params(params);
    if (!parsed) return fail(Errc::store_corrupt, parsed.error().detail);
    return parsed;
}

Result<Bio> bio_over(ByteView pem) {
    if (pem.size() > kMaxPemLen)
        return fail(Errc::too_large, "a recovery key in PEM is under 4096 bytes");
    if (pem.empty()) return fail(Errc::bad_encoding, "an empty text is no recovery key");
    Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (!bio) return fail_crypto("reading PEM");
    return bio;
}

// A password is never asked for: this may run where nobody answers.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

RecoverySlotKey::RecoverySlotKey(RecoveryAlgorithm algorithm, EvpPkey key, Bytes public_raw,
                                 Half half)
    : algorithm_(algorithm),
      key_(std::move(key)),
      public_raw_(std::move(public_raw)),
      half_(half),
      fingerprint_(fingerprint_of(public_raw_)) {}

Result<RecoverySlotKey> RecoverySlotKey::from_key(EvpPkey key, Half half) {
    ATTESTD_TRY(const RecoveryAlgorithm algorithm, algorithm_of(key.get()));
    ATTESTD_TRY(Bytes raw, public_raw_of(key.get(), algorithm));
    return RecoverySlotKey(algorithm, std::move(key), std::move(raw), half);
}

Result<RecoverySlotKey> RecoverySlotKey::from_public_pem(ByteView pem) {
    ATTESTD_TRY(const Bio bio, bio_over(pem));
    EvpPkey key(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr));
    clear_crypto_errors();
    if (!key) return fail(Errc::bad_encoding, "not a public key in PEM (BEGIN PUBLIC KEY)");
    return from_key(std::move(key), Half::public_only);
}

Result<RecoverySlotKey> RecoverySlotKey::from_private_pem(const Secret& pem) {
    return pem.expose([](ByteView text) -> Result<RecoverySlotKey> {
        ATTESTD_TRY(const Bio bio, bio_over(text));
        EvpPkey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
        clear_crypto_errors();
        if (!key)
            return fail(Errc::bad_encoding,
                        "not an unencrypted private key in PEM (BEGIN PRIVATE KEY)");
        return from_key(std::move(key), Half::with_private);
    });
}

Result<NewSlotKey> RecoverySlotKey::make() {
    ATTESTD_TRY(const EvpPkey ephemeral, generate(algorithm_));
    ATTESTD_TRY(const Bytes ephemeral_raw, public_raw_of(ephemeral.get(), algorithm_));
    ATTESTD_TRY(const Secret shared, agree(ephemeral.get(), key_.get()));
    ATTESTD_TRY(Secret key, slot_key_from(shared, algorithm_, ephemeral_raw, public_raw_));
    Bytes params{static_cast<std::uint8_t>(algorithm_)};
    store::append(params, ephemeral_raw);
    store::append(params, public_raw_);
    return NewSlotKey{std::move(params), std::move(key)};
}

Result<Secret> RecoverySlotKey::recover(ByteView params) {
    ATTESTD_TRY(const RecoveryParams slot, read_recovery_params(params));
    if (half_ == Half::public_only) {
        return fail(Errc::store_slot, "a recovery slot opens with the private key alone");
    }
    if (slot.algorithm != algorithm_ || !equal(slot.recipient, public_raw_)) {
        return fail(Errc::store_slot, fmt::format("the slot was made for key {}, this is {}",
                                                  fingerprint_of(slot.recipient), fingerprint_));
    }
    auto ephemeral = public_key_from(slot.ephemeral, algorithm_);
    if (!ephemeral)
        return fail(Errc::store_corrupt, "its ephemeral key is " + ephemeral.error().detail);
    ATTESTD_TRY(const Secret shared, agree(key_.get(), ephemeral->get()));
    return slot_key_from(shared, algorithm_, slot.ephemeral, slot.recipient);
}

Result<std::string> describe_recovery_params(ByteView params) {
    ATTESTD_TRY(const RecoveryParams slot, read_recovery_params(params));
    return fmt::format("{} key {}", algorithm_name(slot.algorithm), fingerprint_of(slot.recipient));
}

Result<RecoveryKeyPair> make_recovery_key(RecoveryAlgorithm algorithm) {
    ATTESTD_TRY(const EvpPkey key, generate(algorithm));
    ATTESTD_TRY(Secret private_pem, Secret::zeroed(kMaxPemLen));
    const Bio public_bio(BIO_new(BIO_s_mem()));
    // BIO_s_secmem clears its buffer when it is freed.
    const Bio private_bio(BIO_new(BIO_s_secmem()));
    if (!public_bio || !private_bio || PEM_write_bio_PUBKEY(public_bio.get(), key.get()) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(private_bio.get(), key.get(), nullptr, nullptr, 0,
                                      no_password, nullptr) != 1) {
        return fail_crypto("writing a recovery key");
    }
    const int private_len = private_pem.fill([&](std::span<std::uint8_t> out) {
        return BIO_read(private_bio.get(), out.data(), static_cast<int>(out.size()));
    });
    std::string public_pem(kMaxPemLen, '\0');
    const int public_len =
        BIO_read(public_bio.get(), public_pem.data(), static_cast<int>(public_pem.size()));
    if (private_len <= 0 || public_len <= 0) return fail_crypto("writing a recovery key");
    private_pem.truncate(static_cast<std::size_t>(private_len));
    public_pem.resize(static_cast<std::size_t>(public_len));
    return RecoveryKeyPair{std::move(private_pem), std::move(public_pem)};
}

}  // namespace attestd
