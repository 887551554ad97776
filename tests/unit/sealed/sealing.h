// A signer of sealed secrets, and what it may be made to sign; envelopes sealed the way that
// documents describe, with OpenSSL alone.
#pragma once

#include <openssl/evp.h>

#include "agent/sealed/sealed_text.h"
#include "quote/base/encoding.h"
#include "tests/support/jws_forge.h"

namespace attestd::sealed {

using nlohmann::json;

inline const std::string kKid = "signer-1";
inline const std::string kBrokersKid = "kbs:///default/keys/signer";

/// A payload of type "vault" that leads to a key broker.
inline json pointer_to(const std::string& uri) {
    return {{"version", "0.1.0"},
            {"type", "vault"},
            {"provider", "kbs"},
            {"name", uri},
            {"provider_settings", json::object()},
            {"annotations", json::object()}};
}

/// AES-256-GCM under `key`: ciphertext, then tag.
inline Bytes gcm_sealed(ByteView key, ByteView iv, std::string_view plain) {
    const EvpCipherCtx ctx(EVP_CIPHER_CTX_new());
    Bytes out(plain.size() + 16);
    int len = 0;
    REQUIRE(EVP_EncryptInit_ex2(ctx.get(), EVP_aes_256_gcm(), key.data(), iv.data(), nullptr) == 1);
    REQUIRE(EVP_EncryptUpdate(ctx.get(), out.data(), &len, as_bytes(plain).data(),
                              static_cast<int>(plain.size())) == 1);
    std::array<std::uint8_t, 16> none{};
    REQUIRE(EVP_EncryptFinal_ex(ctx.get(), none.data(), &len) == 1);
    REQUIRE(EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_AEAD_GET_TAG, 16, out.data() + plain.size()) ==
            1);
    return out;
}

inline const Bytes kDataKey(32, 0x5a);
inline const Bytes kIv(12, 0x07);

/// A payload of type "envelope" around `plain`, under kDataKey.
inline json envelope_of(const std::string& plain) {
    json out = pointer_to("");
    out.erase("name");
    out["type"] = "envelope";
    out["provider"] = "vault";
    out["key_id"] = "app";
    out["encrypted_key"] = to_base64(as_bytes(std::string_view("vault:v1:abc+/=")));
    out["encrypted_data"] = to_base64(gcm_sealed(kDataKey, kIv, plain));
    out["wrap_type"] = "A256GCM";
    out["iv"] = to_base64(kIv);
    return out;
}

class Sealer final {
 public:
    explicit Sealer(std::string kid = kKid) : kid_(std::move(kid)) {}

    [[nodiscard]] json jwk() const {
        json out = forge_.jwk();
        out["kid"] = kid_;
        return out;
    }
    [[nodiscard]] Signer signer() const {
        const auto document = JsonDocument::parse(jwk().dump(), "jwk");
        REQUIRE_OK(document);
        auto made = Signer::from_jwk(kid_, document->root());
        REQUIRE_OK(made);
        return *std::move(made);
    }
    [[nodiscard]] std::string seal(const json& header, const std::string& payload) const {
        return "sealed." + forge_.sign("ES256", header, payload);
    }
    [[nodiscard]] std::string seal(const std::string& payload) const {
        return seal({{"alg", "ES256"}, {"kid", kid_}}, payload);
    }
    [[nodiscard]] std::string seal(const json& payload) const { return seal(payload.dump()); }
    /// With the annotation that binds it to `name`.
    [[nodiscard]] std::string seal_for(const std::string& name, json payload) const {
        payload["annotations"]["attestd.name"] = name;
        return seal(payload);
    }

 private:
    test::JwsForge forge_{"P-256"};
    std::string kid_;
};

/// Parsed, then verified by that signer's key.
inline Result<VerifiedSealed> verified(const std::string& text, const Signer& signer) {
    ATTESTD_TRY(const SealedText parsed, SealedText::parse(text));
    return verify_sealed(parsed, signer);
}

}  // namespace attestd::sealed
