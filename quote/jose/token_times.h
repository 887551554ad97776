// When a token may be used: `exp`, `nbf` and `iat` of its claims (RFC 7519 section 4.1).
#pragma once

#include <optional>

#include "quote/base/json.h"
#include "quote/base/time.h"

namespace attestd {

/// `iat` and `nbf` may be this far ahead of our clock; `exp` gets no grace.
inline constexpr std::chrono::seconds kMaxTokenSkew{60};

/// Whether a token without `exp` is taken: its issuer leaves its life to whoever reads it.
enum class TokenEnd : std::uint8_t { required, optional };

struct TokenTimes {
    Time issued;
    std::optional<Time> expires;  ///< always there where it is required
};

/// `iat` must be there. Errc::token_malformed for a claim that is absent or no time,
/// Errc::token_expired when it has expired or is not valid yet.
[[nodiscard]] Result<TokenTimes> check_token_times(JsonObject& claims, TokenEnd end, Time now);

}  // namespace attestd
