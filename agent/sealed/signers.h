// Signers: who may sign the sealed secrets of a source, as configuration says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/sealed/sealed_text.h"
#include "config/config.h"

namespace attestd::sealed {

class Signers final {
 public:
    /// Reads the JWKS (or JWK) of "trusted_keys": each key has its "kid", and no two the same, also
    /// not with "trusted_kids". Errc::bad_config names the file.
    [[nodiscard]] static Result<Signers> make(const SealedSourceConfig& config);

    /// The signer whose key configuration pins; null when it pins none of that name.
    [[nodiscard]] const Signer* pinned(std::string_view kid) const noexcept;
    /// Whether the key is what the broker has at the URI `kid`.
    [[nodiscard]] bool is_at_broker(std::string_view kid) const noexcept;

 private:
    [[nodiscard]] Result<void> add(const JsonValue& jwk);

    std::vector<Signer> pinned_;
    std::vector<std::string> at_broker_;
};

/// The signer whose JWK is the resource `kid`, with `content` as the broker gave it.
/// Errc::sealed_untrusted.
[[nodiscard]] Result<Signer> signer_at_broker(const std::string& kid, ByteView content);

}  // namespace attestd::sealed
