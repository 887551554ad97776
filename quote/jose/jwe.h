// JSON Web Encryption (RFC 7516) with A256GCM: one recipient, the flattened JSON form or the
// compact one, ECDH-ES+A256KW or RSA-OAEP-256 by the kind of the recipient's key.
//
// What comes out is a Secret; content keys and shared secrets are Secrets too. The additional data
// are the header's text as received, never as written again. Refused by name: `crit`, `zip`, header
// members that are unknown here, members outside the protected header, another `alg` or `enc`, and
// an algorithm of another family than the key's. Once a message is well-formed, every failure to
// decrypt is the same error (spec/kbs.md section 4.3; RFC 7516 section 11.5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/json.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"
#include "quote/jose/jwk.h"

namespace attestd {

/// What a sender may put into the protected header beside the algorithms. The reader has these from
/// the sender, authenticated by nothing but the message itself.
struct JweParameters {
    std::string typ;  ///< absent when empty
    std::string cty;  ///< absent when empty
    std::string kid;  ///< absent when empty
    Bytes apu;        ///< PartyUInfo: goes into the key agreement; absent when empty; EC keys alone
    Bytes apv;        ///< PartyVInfo, likewise
};

enum class JweForm : std::uint8_t { flattened, compact };

/// A well-formed message; nothing in it is believed before decrypt().
class Jwe final {
 public:
    /// The length of a message's text by default: a secret of 1 MiB fits.
    static constexpr std::size_t kMaxLen = std::size_t{2} << 20;

    /// The flattened form: `protected`, `encrypted_key`, `iv`, `ciphertext`, `tag`, and `aad` where
    /// there is one. `name` is what complaints call it. Errc::too_large, errors of JSON,
    /// Errc::bad_encoding, Errc::bad_length (iv, tag or wrapped key), Errc::jose_algorithm (alg,
    /// enc), Errc::jose_header (crit, zip, a member that does not belong), and for `epk` the errors
    /// of JosePublicKey.
    [[nodiscard]] static Result<Jwe> parse(std::string_view text, std::string name,
                                           std::size_t max_len = kMaxLen);
    /// The same within a larger document.
    [[nodiscard]] static Result<Jwe> from_json(const JsonValue& message);
    /// The compact form: five parts with dots between. Errors as above.
    [[nodiscard]] static Result<Jwe> parse_compact(std::string_view text,
                                                   std::size_t max_len = kMaxLen);

    [[nodiscard]] JoseAlgorithm algorithm() const noexcept { return algorithm_; }
    [[nodiscard]] const JweParameters& parameters() const noexcept { return parameters_; }

    /// The plaintext. Errc::jose_algorithm when the key is of another family or curve than the
    /// message is for; Errc::jwe_undecrypted for all else; Errc::memory_locked.
    [[nodiscard]] Result<Secret> decrypt(const JosePrivateKey& key) const;

 private:
    struct Parts {
        std::string header;  // base64url, as received
        std::string encrypted_key;
        std::string iv;
        std::string ciphertext;
        std::string tag;
        std::optional<std::string> aad;
    };

    Jwe() = default;
    [[nodiscard]] static Result<Jwe> from_parts(Parts parts);
    [[nodiscard]] Result<void> read_header(const JsonValue& header);
    [[nodiscard]] Result<Secret> content_key(const JosePrivateKey& key) const;

    JoseAlgorithm algorithm_ = JoseAlgorithm::ecdh_es_a256kw;
    JweParameters parameters_;
    std::optional<JosePublicKey> epk_;
    std::string aad_;  // what the tag covers beside the ciphertext
    Bytes encrypted_key_;
    Bytes iv_;
    Bytes ciphertext_;
    Bytes tag_;
};

/// Encrypts to a public key, under a fresh content key (and a fresh ephemeral key). The flattened
/// form has its members in alphabetical order and no blanks. Errc::jose_header when `apu` or `apv`
/// are given for an RSA key; Errc::crypto_failed, Errc::memory_locked.
[[nodiscard]] Result<std::string> encrypt_jwe(const JosePublicKey& to,
                                              const JweParameters& parameters,
                                              const Secret& plaintext, JweForm form);

}  // namespace attestd
