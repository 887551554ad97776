#include "quote/jose/token_times.h"

#include <fmt/format.h>

#include <algorithm>

namespace attestd {
namespace {

constexpr std::int64_t kMaxTokenSeconds = 253402300799;  // the year 9999

Result<std::optional<Time>> token_time(JsonObject& claims, std::string_view name) {
    const auto value = claims.optional(name);
    if (!value) return std::optional<Time>();
    const auto seconds = value->integer(0, kMaxTokenSeconds);
    if (!seconds) return fail(Errc::token_malformed, seconds.error().detail);
    return std::optional<Time>(std::chrono::seconds(*seconds));
}

tl::unexpected<Error> no_time(const JsonObject& claims, std::string_view name) {
    return claims.value().fail_here(Errc::token_malformed,
                                    fmt::format("the claim \"{}\" is not there", name));
}

}  // namespace

Result<TokenTimes> check_token_times(JsonObject& claims, TokenEnd end, Time now) {
    ATTESTD_TRY(const auto expires, token_time(claims, "exp"));
    ATTESTD_TRY(const auto issued, token_time(claims, "iat"));
    ATTESTD_TRY(const auto not_before, token_time(claims, "nbf"));
    if (!expires && end == TokenEnd::required) return no_time(claims, "exp");
    if (!issued) return no_time(claims, "iat");
    if (expires && *expires <= now) {
        return fail(Errc::token_expired, fmt::format("the token expired at {}, it is {}",
                                                     to_rfc3339(*expires), to_rfc3339(now)));
    }
    const Time from = std::max(*issued, not_before.value_or(*issued));
    if (from > now + kMaxTokenSkew) {
        return fail(Errc::token_expired, fmt::format("the token is valid from {}, it is {}",
                                                     to_rfc3339(from), to_rfc3339(now)));
    }
    return TokenTimes{*issued, expires};
}

}  // namespace attestd
