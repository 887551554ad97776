// Sealed secrets: the text, who signed it, and what is in it (`spec/kbs.md` section 10).
//
//      SealedText --a signer's key--> VerifiedSealed --whom it names--> the secret
//
// Each step is a type that the next demands. Only verify_sealed() makes a VerifiedSealed, nothing
// of a payload is read before its signature is checked, and there is no way around that: texts of
// before signatures ("fakejwsheader", "fakesignature") are refused like every other.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "quote/jose/content.h"
#include "quote/jose/jws.h"

namespace attestd::sealed {

/// Of a payload, in bytes.
inline constexpr std::size_t kMaxPayloadLen = std::size_t{256} << 10;
/// The annotation that says which secret a text was sealed for.
inline constexpr std::string_view kNameAnnotation = "attestd.name";

/// A text taken apart. It names a signer, and nothing in it is believed.
class SealedText final {
 public:
    /// "sealed.", then a compact JWS by ES256 whose header has "alg", "kid", perhaps "typ", and
    /// nothing else. Errc::sealed_malformed, Errc::sealed_algorithm, Errc::sealed_untrusted for a
    /// "kid" that could lead somewhere: with '/', ".." or anything invisible, unless it is
    /// kbs:///REPOSITORY/TYPE/TAG.
    [[nodiscard]] static Result<SealedText> parse(std::string_view text);

    [[nodiscard]] const std::string& kid() const noexcept { return kid_; }

 private:
    friend class VerifiedSealed;
    SealedText(Jws jws, std::string kid) : jws_(std::move(jws)), kid_(std::move(kid)) {}

    Jws jws_;
    std::string kid_;
};

/// A key on P-256, and the one "kid" that it counts for.
class Signer final {
 public:
    /// `jwk` may state its own "kid" if it is the same. Errc::sealed_untrusted.
    [[nodiscard]] static Result<Signer> from_jwk(std::string kid, const JsonValue& jwk);

    [[nodiscard]] const std::string& kid() const noexcept { return kid_; }

 private:
    friend class VerifiedSealed;
    Signer(std::string kid, JwsKey key) : kid_(std::move(kid)), key_(std::move(key)) {}

    std::string kid_;
    JwsKey key_;
};

/// What may stand in "kid": see SealedText::parse().
[[nodiscard]] bool is_kid(std::string_view kid);

/// Payload of type "vault": a name at a provider.
struct Pointer {
    std::string provider;  ///< in lower case
    std::string name;
};

/// Payload of type "envelope": ciphertext under a data key that a provider decrypts.
struct Envelope {
    std::string provider;  ///< in lower case
    std::string key_id;
    Bytes encrypted_key;
    ByteArray<kA256GcmIvLen> iv;
    Bytes encrypted_data;  ///< ciphertext, then tag
};

/// What a trusted signer signed, in the form that this version has.
class VerifiedSealed final {
 public:
    using Content = std::variant<Pointer, Envelope>;

    [[nodiscard]] const Content& content() const noexcept { return content_; }
    /// The annotation `attestd.name`; empty without one.
    [[nodiscard]] const std::optional<std::string>& name() const noexcept { return name_; }

 private:
    friend Result<VerifiedSealed> verify_sealed(const SealedText& text, const Signer& signer);
    VerifiedSealed(Content content, std::optional<std::string> name)
        : content_(std::move(content)), name_(std::move(name)) {}
    /// The payload, once the signature over it holds.
    [[nodiscard]] static Result<ByteView> signed_payload(const SealedText& text,
                                                         const Signer& signer);

    Content content_;
    std::optional<std::string> name_;
};

/// Errc::sealed_untrusted when `signer` is not whom the text names, Errc::sealed_signature; of what
/// was signed all the same: Errc::sealed_payload, Errc::sealed_unsupported.
[[nodiscard]] Result<VerifiedSealed> verify_sealed(const SealedText& text, const Signer& signer);

}  // namespace attestd::sealed
