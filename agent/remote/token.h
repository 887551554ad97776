// The signed token of a verifier on the network, judged as far as all of them are alike
// (`spec/remote-verifiers.md` section 7): form, algorithm, key, times, issuer, audience.
//
// What it says about the evidence is each kind's own to read.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/remote/token_keys.h"
#include "quote/jose/token_times.h"

namespace attestd::remote {

/// Of attestation results in EAR's form, Veraison's and Trustee's.
inline constexpr auto kEarAlgorithms =
    std::to_array({JwsAlgorithm::es256, JwsAlgorithm::es384, JwsAlgorithm::ps256,
                   JwsAlgorithm::ps384, JwsAlgorithm::ps512, JwsAlgorithm::rs256});

struct TokenRules {
    std::span<const JwsAlgorithm> algorithms;  ///< that tokens of this kind may be signed with
    std::string_view issuer, audience;         ///< empty: not looked at
    TokenEnd end = TokenEnd::required;
};

struct VerifiedToken {
    JsonDocument claims;  ///< an object
    TokenTimes times;
};

/// Errc::token_malformed for a token that is to live for more than a day.
[[nodiscard]] Result<void> check_life(const TokenTimes& times);

/// Errc::token_malformed (also for what is over 256 KiB, of a type other than JWT, or to live for
/// more than a day), Errc::token_algorithm, Errc::token_signature, Errc::token_untrusted,
/// Errc::token_expired, Errc::token_issuer, Errc::token_audience; errors of TokenKeys::verify().
[[nodiscard]] Result<VerifiedToken> verify_token(std::string_view text, const TokenRules& rules,
                                                 TokenKeys& keys, Time now,
                                                 Fetcher::Deadline deadline);

/// Whether "iss" is `issuer`, letter by letter; empty: not looked at. Errc::token_malformed,
/// Errc::token_issuer.
[[nodiscard]] Result<void> check_issuer(JsonObject& claims, std::string_view issuer);

/// Whether "aud" is, or has, `audience`; empty: not looked at. Errc::token_audience.
[[nodiscard]] Result<void> check_audience(JsonObject& claims, std::string_view audience);

/// A text claim. Errc::token_malformed when it is not there, or no text.
[[nodiscard]] Result<std::string> text_claim(JsonObject& claims, std::string_view name);
/// An object among the claims. Errc::token_malformed.
[[nodiscard]] Result<JsonObject> object_claim(JsonObject& claims, std::string_view name);

}  // namespace attestd::remote
