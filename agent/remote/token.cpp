#include "agent/remote/token.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/log.h"

namespace attestd::remote {
namespace {

constexpr std::size_t kMaxTokenLen = std::size_t{256} << 10;
constexpr JsonLimits kClaimLimits{.max_len = kMaxTokenLen, .max_depth = 32};
constexpr std::chrono::hours kLongestLife{24};
constexpr std::size_t kMaxAudiences = 32, kMaxShownName = 100;

Result<void> check_type(const Jws& token) {
    ATTESTD_TRY(JsonObject header, token.header().root().object());
    const auto type = header.optional("typ");
    if (!type) return {};
    std::string text = type->is_text() ? type->text().value_or("") : std::string();
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (text == "jwt") return {};
    return fail(Errc::token_malformed, "token: its type (\"typ\") is not JWT");
}

Result<void> check_algorithm(const Jws& token, std::span<const JwsAlgorithm> allowed) {
    if (std::find(allowed.begin(), allowed.end(), token.algorithm()) != allowed.end()) return {};
    return fail(Errc::token_algorithm, fmt::format("the token is signed with {}, which this kind "
                                                   "of verifier does not use",
                                                   jws_algorithm_name(token.algorithm())));
}

}  // namespace

Result<void> check_life(const TokenTimes& times) {
    if (!times.expires || *times.expires - times.issued <= kLongestLife) return {};
    return fail(Errc::token_malformed,
                fmt::format("the token is to live from {} to {}: at most a day is taken",
                            to_rfc3339(times.issued), to_rfc3339(*times.expires)));
}

// RFC 7519 section 4.1.3: one text, or a list of them.
Result<void> check_audience(JsonObject& claims, std::string_view audience) {
    if (audience.empty()) return {};
    const auto value = claims.optional("aud");
    if (!value) return fail(Errc::token_audience, "the token names no audience (\"aud\")");
    if (value->is_text() && value->text() == std::string(audience)) return {};
    if (const auto elements = value->array(kMaxAudiences)) {
        for (const JsonValue& element : *elements) {
            if (element.is_text() && element.text() == std::string(audience)) return {};
        }
    }
    return fail(Errc::token_audience,
                fmt::format("aud is {}, not \"{}\"", escaped(value->raw().dump(), kMaxShownName),
                            audience));
}

Result<void> check_issuer(JsonObject& claims, std::string_view issuer) {
    if (issuer.empty()) return {};
    ATTESTD_TRY(const std::string named, text_claim(claims, "iss"));
    if (named == issuer) return {};
    return fail(Errc::token_issuer, fmt::format("iss is \"{}\", configured is \"{}\"",
                                                escaped(named, kMaxShownName), issuer));
}

Result<VerifiedToken> verify_token(std::string_view text, const TokenRules& rules, TokenKeys& keys,
                                   Time now, Fetcher::Deadline deadline) {
    if (text.size() > kMaxTokenLen) return fail(Errc::token_malformed, "the token is over 256 KiB");
    ATTESTD_TRY(const Jws token, Jws::parse(text));
    ATTESTD_CHECK(check_type(token));
    ATTESTD_CHECK(check_algorithm(token, rules.algorithms));
    ATTESTD_CHECK(keys.verify(token, now, deadline));
    auto document = JsonDocument::parse(as_text(token.payload()), "token", kClaimLimits);
    if (!document) return fail(Errc::token_malformed, document.error().detail);
    auto claims = document->root().object();
    if (!claims) return fail(Errc::token_malformed, claims.error().detail);
    ATTESTD_TRY(const TokenTimes times, check_token_times(*claims, rules.end, now));
    ATTESTD_CHECK(check_life(times));
    ATTESTD_CHECK(check_issuer(*claims, rules.issuer));
    ATTESTD_CHECK(check_audience(*claims, rules.audience));
    return VerifiedToken{*std::move(document), times};
}

Result<std::string> text_claim(JsonObject& claims, std::string_view name) {
    const auto value = claims.required(name);
    auto text = value ? value->text() : Result<std::string>(tl::make_unexpected(value.error()));
    if (!text) return fail(Errc::token_malformed, text.error().detail);
    return text;
}

Result<JsonObject> object_claim(JsonObject& claims, std::string_view name) {
    const auto value = claims.required(name);
    auto object = value ? value->object() : Result<JsonObject>(tl::make_unexpected(value.error()));
    if (!object) return fail(Errc::token_malformed, object.error().detail);
    return object;
}

}  // namespace attestd::remote
