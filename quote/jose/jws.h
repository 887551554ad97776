// Signed tokens: JWS in compact form (RFC 7515), and the public keys that check them (RFC 7517).
//
// The caller says by which key, and each key is pinned to one algorithm: what a token says about
// itself ("alg", "jwk", "jku", "x5u") never chooses either. There is no "none" and no HMAC here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/json.h"
#include "quote/base/ossl.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"

namespace attestd {

/// Of a token in compact form, in characters.
inline constexpr std::size_t kMaxJwsLen = std::size_t{512} << 10;

enum class JwsAlgorithm : std::uint8_t { es256, es384, rs256, rs384, ps256, ps384, ps512 };

/// "ES256", ...
[[nodiscard]] std::string_view jws_algorithm_name(JwsAlgorithm algorithm) noexcept;
[[nodiscard]] std::optional<JwsAlgorithm> jws_algorithm_named(std::string_view name) noexcept;

/// A public key and the one algorithm that it is used with. Cheap to copy (shared); usable by
/// several threads at once.
class JwsKey final {
 public:
    /// Of a SubjectPublicKeyInfo (DER): P-256, P-384, or RSA of 2048 to 4096 bits. Without
    /// `algorithm` the usual one: ES256, ES384, RS256. Errc::bad_value, Errc::token_algorithm when
    /// the algorithm is not of such a key.
    [[nodiscard]] static Result<JwsKey> from_spki(ByteView der,
                                                  std::optional<JwsAlgorithm> algorithm);
    /// The same of a JWK, whose own "alg" counts where `algorithm` is not given and must agree
    /// where it is. Private keys and keys that are not for signatures are refused: Errc::bad_value.
    [[nodiscard]] static Result<JwsKey> from_jwk(const JsonValue& jwk,
                                                 std::optional<JwsAlgorithm> algorithm);

    [[nodiscard]] JwsAlgorithm algorithm() const noexcept { return algorithm_; }
    [[nodiscard]] bool is_same_key(const JwsKey& other) const noexcept;

 private:
    friend class Jws;
    JwsKey(EvpPkey key, JwsAlgorithm algorithm) : key_(std::move(key)), algorithm_(algorithm) {}
    [[nodiscard]] static Result<JwsKey> pinned(EvpPkey key, std::optional<JwsAlgorithm> algorithm);
    [[nodiscard]] bool verify(ByteView message, ByteView signature) const;

    std::shared_ptr<EVP_PKEY> key_;
    JwsAlgorithm algorithm_;
};

/// A bearer's token as often as not: what it holds is overwritten when it ends.
class Jws final {
 public:
    Jws(Jws&&) noexcept = default;
    Jws& operator=(Jws&&) noexcept = default;
    ~Jws();

    /// Takes a token apart; nothing is believed yet. Errc::token_malformed (also for a header with
    /// "crit" or a member twice), Errc::token_algorithm for an algorithm that is none of ours.
    [[nodiscard]] static Result<Jws> parse(std::string_view compact);

    [[nodiscard]] JwsAlgorithm algorithm() const noexcept { return algorithm_; }
    [[nodiscard]] const JsonDocument& header() const noexcept { return header_; }
    [[nodiscard]] ByteView payload() const noexcept { return payload_; }

    /// Whether `key` signed this. Errc::token_algorithm when the token names another algorithm than
    /// the key's, Errc::token_signature.
    [[nodiscard]] Result<void> verify(const JwsKey& key) const;

 private:
    Jws(JsonDocument header, JwsAlgorithm algorithm)
        : header_(std::move(header)), algorithm_(algorithm) {}

    JsonDocument header_;
    JwsAlgorithm algorithm_;
    std::string signed_part_;  // as received: header, dot, payload
    Bytes payload_, signature_;
};

}  // namespace attestd
