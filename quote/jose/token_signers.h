// TokenSigners: who may sign tokens, as pinned by a file: public keys, certificates, authorities,
// or a JWKS document.
//
// With an authority a token brings its signer's certificates ("x5c"): they count as far as they
// chain to the pinned one, and any "jwk" beside them must be the leaf's key (`spec/kbs.md` 6.1).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quote/base/time.h"
#include "quote/jose/jws.h"
#include "quote/jose/signer_chain.h"

namespace attestd {

class TokenSigners final {
 public:
    /// Of PEM blocks "PUBLIC KEY" and "CERTIFICATE", or of a JWKS (or JWK) document. At most 32.
    /// `algorithm` as JwsKey has it; `name` is what errors call the file. Errc::bad_encoding,
    /// Errc::bad_value, Errc::token_algorithm, errors of JSON.
    [[nodiscard]] static Result<TokenSigners> parse(ByteView file, const std::string& name,
                                                    std::optional<JwsAlgorithm> algorithm);

    /// Whether one of them signed `token`, `now` being within the life of all certificates.
    /// Errc::token_algorithm, Errc::token_signature, Errc::token_untrusted.
    [[nodiscard]] Result<void> verify(const Jws& token, Time now) const;

    /// Whether authorities are pinned, and no key.
    [[nodiscard]] bool is_authority() const noexcept {
        return keys_.empty() && !authorities_.empty();
    }

    [[nodiscard]] std::span<const SignerCertificate> authorities() const noexcept {
        return authorities_;
    }

    /// The key of an entry of a key set, once the entry's own certificates ("x5c") lead to a pinned
    /// authority; any key that it states beside them must be the same. Errc::token_untrusted,
    /// Errc::token_algorithm when it is not for `algorithm`.
    [[nodiscard]] Result<JwsKey> certified_key(const JsonValue& jwk, JwsAlgorithm algorithm,
                                               Time now) const;

 private:
    struct Pinned {
        JwsKey key;
        SignerCertificate certificate;  // null: the bare key
    };
    [[nodiscard]] Result<void> add_certificate(ByteView der);
    [[nodiscard]] Result<void> add_jwks(std::string_view text, const std::string& name);
    /// `x5c` and `jwk` as they came, where they did.
    [[nodiscard]] Result<JwsKey> chained_key(const std::optional<JsonValue>& x5c,
                                             const std::optional<JsonValue>& jwk,
                                             std::optional<JwsAlgorithm> algorithm, Time now) const;

    std::optional<JwsAlgorithm> algorithm_;
    std::vector<Pinned> keys_;
    std::vector<SignerCertificate> authorities_;
};

/// The key that the token itself names ("jwk" in its header). It says nothing about who made the
/// token: for those who were told to take any signer, in so many words. Errc::token_untrusted.
[[nodiscard]] Result<JwsKey> key_named_by(const Jws& token);

/// The key of an entry of a key set that is trusted as it is: of its numbers, or where it has none
/// of its first certificate. Errors of JwsKey::from_jwk(), Errc::bad_value.
[[nodiscard]] Result<JwsKey> certificate_or_jwk_key(const JsonValue& jwk, JwsAlgorithm algorithm);

}  // namespace attestd
