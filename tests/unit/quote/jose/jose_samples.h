// Keys and messages that the cases of JOSE share.
#pragma once

#include <openssl/bio.h>
#include <openssl/pem.h>

#include <nlohmann/json.hpp>
#include <string>

#include "quote/base/base64url.h"
#include "quote/base/encoding.h"
#include "quote/jose/jwe.h"
#include "tests/support/catch.h"

namespace attestd::test {

inline JosePrivateKey key_from_pem(const std::string& pem) {
    const std::unique_ptr<BIO, Free<BIO_free>> in(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const EvpPkey key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
    REQUIRE(key);
    auto made = JosePrivateKey::copy_of(*key);
    REQUIRE_OK(made);
    return std::move(*made);
}

inline Result<JosePublicKey> read_jwk(const std::string& text) {
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, "jwk"));
    return JosePublicKey::from_jwk(document.root());
}

inline Secret secret_of(std::string_view text) { return Secret::copy_of(as_bytes(text)).value(); }

inline std::string text_of(const Secret& secret) {
    return secret.expose([](ByteView bytes) { return std::string(as_text(bytes)); });
}

/// A message of the flattened form as JSON, its header open: to be changed and closed again.
struct OpenMessage {
    nlohmann::json header;
    nlohmann::json members;

    [[nodiscard]] static OpenMessage of(const std::string& flattened) {
        OpenMessage out;
        out.members = nlohmann::json::parse(flattened);
        const std::string text = out.members["protected"];
        out.header = nlohmann::json::parse(as_text(from_base64url(text, "protected").value()));
        return out;
    }
    [[nodiscard]] std::string closed() const {
        nlohmann::json all = members;
        all["protected"] = to_base64url(as_bytes(header.dump()));
        return all.dump();
    }
};

}  // namespace attestd::test
