// The attestation token that a key broker gives (EAR, `spec/kbs.md` section 6.1), judged.
//
// A broker issues a token whatever it thinks of the evidence: an answer of 200 says nothing. A
// JudgedToken says that a pinned key signed it, that it is valid now, that it speaks of our nonce
// and our key, and that every submodule of it is affirming. Nothing but judge_token() makes one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/secret.h"
#include "quote/base/time.h"
#include "quote/jose/token_signers.h"

namespace attestd::kbs {

struct TokenExpectations {
    /// Null: nobody is pinned, and configuration says so in as many words.
    const TokenSigners* signers;
    const std::string& nonce;          ///< of the handshake, as it came
    const nlohmann::json& public_jwk;  ///< of the handshake, as it was sent
    bool accept_warning = false;
    std::string_view issuer{};            ///< "iss"; empty: not looked at
    std::vector<std::string> policies{};  ///< of which one was applied; empty: any
};

class JudgedToken final {
 public:
    [[nodiscard]] Time expires() const noexcept { return expires_; }
    /// The worst of all submodules: "affirming", or "warning" where that is accepted.
    [[nodiscard]] std::string_view status() const noexcept { return status_; }
    /// "cpu0.hardware=2 ...": the trustworthiness vectors, for logs; what is not a number is left
    /// out.
    [[nodiscard]] const std::string& vector() const noexcept { return vector_; }
    /// JSON of what it says about the evidence of "cpu0": "ear.veraison.annotated-evidence".
    [[nodiscard]] const std::string& evidence_claims() const noexcept { return evidence_claims_; }
    /// As it came: a bearer's, so a secret.
    [[nodiscard]] const Secret& text() const noexcept { return text_; }

 private:
    friend Result<JudgedToken> judge_token(std::string_view, const TokenExpectations&, Time);
    JudgedToken() = default;
    Time expires_{};
    std::string status_, vector_, evidence_claims_;
    Secret text_;
};

/// Errc::token_malformed, Errc::token_algorithm, Errc::token_untrusted, Errc::token_signature,
/// Errc::token_expired, Errc::token_issuer, Errc::token_nonce, Errc::token_key,
/// Errc::token_not_affirming: the first in this order; Errc::memory_locked. Claims that must be
/// there and are not are Errc::token_malformed.
[[nodiscard]] Result<JudgedToken> judge_token(std::string_view token,
                                              const TokenExpectations& expected, Time now);

}  // namespace attestd::kbs
