#include "agent/remote/token_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "agent/log.h"
#include "agent/remote/service.h"

namespace attestd::remote {
namespace {

constexpr JsonLimits kKeySetLimits{.max_len = std::size_t{1} << 20, .max_depth = 8};
constexpr std::size_t kMaxSetKeys = 64;
constexpr std::size_t kMaxShownKid = 100;
constexpr std::chrono::minutes kRefetchAfter{1};
constexpr std::chrono::seconds kShortestKept{300}, kLongestKept{86400};

// "max-age" of Cache-Control, within our bounds.
std::chrono::seconds kept_for(const FetchResponse& answer) {
    constexpr std::string_view kMaxAge = "max-age=";
    const std::string_view control = answer.header("cache-control");
    const auto at = control.find(kMaxAge);
    if (at == control.npos) return kShortestKept;
    const std::string_view digits = control.substr(at + kMaxAge.size());
    std::uint32_t seconds = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
    return std::clamp(std::chrono::seconds(seconds), kShortestKept, kLongestKept);
}

Result<std::string> kid_of(const JsonValue& object) {
    ATTESTD_TRY(JsonObject in, object.object());
    const auto kid = in.optional("kid");
    if (!kid) return std::string();
    if (!kid->is_text()) return fail(Errc::token_malformed, "token: its \"kid\" is no text");
    return kid->text();
}

// What comes after the signature: that its signer was taken back, or that nobody can say.
bool is_about_signer(Errc code) noexcept {
    switch (code) {
        case Errc::leaf_revoked:
        case Errc::intermediate_revoked:
        case Errc::crl_missing:
        case Errc::crl_malformed:
        case Errc::crl_issuer:
        case Errc::crl_signature:
        case Errc::crl_expired:
        case Errc::crl_not_yet_valid:
            return true;
        default:
            return false;
    }
}

}  // namespace

Result<TokenKeys> TokenKeys::make(const RemoteVerifierConfig& config,
                                  std::shared_ptr<Fetcher> fetcher, std::function<BootTime()> clock,
                                  KeySetEntries entries) {
    std::optional<TokenSigners> signers;
    if (config.token_signer) {
        ATTESTD_TRY(signers, TokenSigners::parse(config.token_signer->bytes,
                                                 config.token_signer->path.string(), std::nullopt));
        if (!config.token_keys_url.empty() && !signers->is_authority()) {
            return fail(Errc::bad_config,
                        config.token_signer->path.string() +
                            ": beside \"token_keys_url\" it must hold the authority that "
                            "certifies the keys, and no key");
        }
    }
    TokenKeys out(config, std::move(signers), fetcher, std::move(clock));
    if (entries == KeySetEntries::chains) out.crls_.emplace(config.crl, std::move(fetcher));
    return out;
}

Result<void> TokenKeys::verify(const Jws& token, Time now, Fetcher::Deadline deadline) {
    warnings_.clear();
    if (url_.empty()) return verify_by_file(token, now);
    const bool is_kept = set_ && clock_() < until_;
    if (!is_kept) ATTESTD_CHECK(fetch(deadline));
    auto result = verify_by_set(token, now, deadline);
    const bool may_be_new = !result && result.error().code == Errc::token_untrusted;
    if (!is_kept || !may_be_new) return result;
    if (clock_() < fetched_ + kRefetchAfter) {
        const auto named = keys_for(token);
        if (!named || !named->empty()) return result;
        // The key may be younger than the set: what was not asked for says nothing of the machine.
        return fail(Errc::remote_verifier_failed,
                    result.error().detail +
                        ", and is less than a minute old: it is fetched again after that");
    }
    ATTESTD_CHECK(fetch(deadline));
    return verify_by_set(token, now, deadline);
}

// An RSA key says nothing of its algorithm where the file does not: then it may be any that this
// kind of verifier uses, which the token's is.
Result<void> TokenKeys::verify_by_file(const Jws& token, Time now) const {
    auto result = signers_->verify(token, now);
    if (result || result.error().code != Errc::token_algorithm) return result;
    const auto for_it = TokenSigners::parse(file_->bytes, file_->path.string(), token.algorithm());
    return for_it ? for_it->verify(token, now) : result;
}

Result<void> TokenKeys::fetch(Fetcher::Deadline deadline) {
    FetchRequest request;
    request.url = url_;
    request.headers.emplace_back("Accept", "application/json, application/jwk-set+json");
    fetched_ = clock_();
    ATTESTD_TRY(const FetchResponse answer, fetcher_->fetch(request, deadline));
    if (auto good = check_status(answer, {200}, Asked::other, "key set"); !good) return good;
    auto document = JsonDocument::parse(as_text(answer.body), "key set", kKeySetLimits);
    if (!document) return protocol_error(document.error());
    set_ = *std::move(document);
    until_ = fetched_ + kept_for(answer);
    return {};
}

// The signature comes first: what others sign has no list fetched.
Result<void> TokenKeys::verify_by_chain(const JsonValue& jwk, const Jws& token, Time now,
                                        Fetcher::Deadline deadline) {
    const auto authorities =
        signers_ ? signers_->authorities() : std::span<const SignerCertificate>();
    ATTESTD_TRY(const SignerChain chain,
                SignerChain::of_key(jwk, token.algorithm(), authorities, root_, now));
    ATTESTD_TRY(const JwsKey key, chain.key(token.algorithm()));
    ATTESTD_CHECK(token.verify(key));
    ATTESTD_TRY(warnings_, crls_->check(chain, now, deadline));
    return {};
}

Result<void> TokenKeys::verify_by_entry(const JsonValue& jwk, const Jws& token, Time now,
                                        Fetcher::Deadline deadline) {
    if (crls_) return verify_by_chain(jwk, token, now, deadline);
    ATTESTD_TRY(const JwsKey key, signers_ ? signers_->certified_key(jwk, token.algorithm(), now)
                                           : certificate_or_jwk_key(jwk, token.algorithm()));
    return token.verify(key);
}

// Those that the token's "kid" names; all where it names none.
Result<std::vector<JsonValue>> TokenKeys::keys_for(const Jws& token) const {
    const auto wanted = kid_of(token.header().root());
    if (!wanted) return fail(Errc::token_malformed, wanted.error().detail);
    auto in = set_->root().object();
    const auto keys = in ? in->optional("keys") : std::nullopt;
    auto elements = keys ? keys->array(kMaxSetKeys)
                         : Result<std::vector<JsonValue>>(fail(Errc::missing_key, "no keys"));
    if (!elements) return fail(Errc::remote_verifier_protocol, "key set: it holds no list of keys");
    std::erase_if(*elements, [&](const JsonValue& jwk) {
        const auto kid = kid_of(jwk);
        return !kid || (!wanted->empty() && *kid != *wanted);
    });
    return elements;
}

Result<void> TokenKeys::verify_by_set(const Jws& token, Time now, Fetcher::Deadline deadline) {
    ATTESTD_TRY(const auto candidates, keys_for(token));
    if (candidates.empty()) {
        return fail(Errc::token_untrusted,
                    fmt::format("the key set has no key \"{}\"",
                                escaped(*kid_of(token.header().root()), kMaxShownKid)));
    }
    Result<void> result;
    for (const JsonValue& jwk : candidates) {
        auto tried = verify_by_entry(jwk, token, now, deadline);
        if (tried || is_about_signer(tried.error().code)) return tried;
        // A set may hold keys for other uses; whatever is wrong with one, it is not the signer's.
        const Errc code = tried.error().code;
        if (code != Errc::token_algorithm && code != Errc::token_signature)
            tried = fail(Errc::token_untrusted, tried.error().detail);
        result = std::move(tried);
    }
    return result;
}

}  // namespace attestd::remote
