#include "agent/kbs/token_judge.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "agent/log.h"
#include "quote/base/json.h"

namespace attestd::kbs {
namespace {

constexpr JsonLimits kPayloadLimits{.max_len = std::size_t{1} << 19, .max_depth = 32};
constexpr std::int64_t kMaxSeconds = 253402300799;  // the year 9999
constexpr std::size_t kMaxVectorLen = 400;          // of what is logged
constexpr std::string_view kEvidence = "ear.veraison.annotated-evidence";

// From best to worst (draft-ietf-rats-ar4si section 2.3.2: "none" is no verdict at all).
constexpr std::array<std::string_view, 4> kStatuses{"affirming", "warning", "none",
                                                    "contraindicated"};

tl::unexpected<Error> malformed_claims(const Error& inner) {
    return fail(Errc::token_malformed, inner.detail);
}

// Complaints about the payload's form are all one kind of error: the token is none of ours.
template <class T>
Result<T> as_claim(Result<T> result) {
    if (!result) return malformed_claims(result.error());
    return result;
}

Result<void> check_signature(const Jws& token, const TokenSigners* signers, Time now) {
    if (signers != nullptr) return signers->verify(token, now);
    ATTESTD_TRY(const JwsKey key, key_named_by(token));
    return token.verify(key);
}

Result<Time> time_claim(const JsonValue& value) {
    ATTESTD_TRY(const std::int64_t seconds, as_claim(value.integer(0, kMaxSeconds)));
    return Time(std::chrono::seconds(seconds));
}

Result<Time> check_times(JsonObject& claims, Time now) {
    ATTESTD_TRY(const JsonValue exp, as_claim(claims.required("exp")));
    ATTESTD_TRY(const JsonValue iat, as_claim(claims.required("iat")));
    ATTESTD_TRY(const Time expires, time_claim(exp));
    ATTESTD_TRY(const Time issued, time_claim(iat));
    Time from = issued;
    if (const auto nbf = claims.optional("nbf")) {
        ATTESTD_TRY(const Time not_before, time_claim(*nbf));
        from = std::max(from, not_before);
    }
    if (expires <= now) {
        return fail(Errc::token_expired, fmt::format("the token expired at {}, it is {}",
                                                     to_rfc3339(expires), to_rfc3339(now)));
    }
    if (from > now + kMaxTokenSkew) {
        return fail(Errc::token_expired, fmt::format("the token is valid from {}, it is {}",
                                                     to_rfc3339(from), to_rfc3339(now)));
    }
    return expires;
}

// What it says about the handshake: `submods.cpu0`, the runtime data that the broker compared.
Result<void> check_binding_claims(const JsonValue& submods, const TokenExpectations& expected) {
    ATTESTD_TRY(JsonObject all, as_claim(submods.object()));
    ATTESTD_TRY(const JsonValue cpu_value, as_claim(all.required("cpu0")));
    ATTESTD_TRY(JsonObject cpu, as_claim(cpu_value.object()));
    ATTESTD_TRY(const JsonValue evidence_value, as_claim(cpu.required(kEvidence)));
    ATTESTD_TRY(JsonObject evidence, as_claim(evidence_value.object()));
    ATTESTD_TRY(const JsonValue runtime_value, as_claim(evidence.required("runtime_data_claims")));
    ATTESTD_TRY(JsonObject runtime, as_claim(runtime_value.object()));
    ATTESTD_TRY(const JsonValue nonce_value, as_claim(runtime.required("nonce")));
    ATTESTD_TRY(const std::string nonce, as_claim(nonce_value.text()));
    if (nonce != expected.nonce)
        return nonce_value.fail_here(Errc::token_nonce, "another nonce than this handshake's");
    ATTESTD_TRY(const JsonValue key, as_claim(runtime.required("tee-pubkey")));
    if (key.raw() != expected.public_jwk)
        return key.fail_here(Errc::token_key, "another key than this handshake's");
    return {};
}

std::size_t rank_of(std::string_view status) noexcept {
    for (std::size_t i = 0; i < kStatuses.size(); ++i) {
        if (kStatuses[i] == status) return i;
    }
    return kStatuses.size();  // unknown: worse than all
}

void add_vector(std::string& out, const std::string& name, JsonObject& submod) {
    const auto value = submod.optional("ear.trustworthiness-vector");
    auto members = value ? value->object() : Result<JsonObject>(fail(Errc::missing_key, ""));
    if (!members) return;
    for (const auto& [claim, tier] : members->rest()) {
        const auto number = tier.integer(-128, 127);
        if (!number || out.size() > kMaxVectorLen) continue;
        out += fmt::format("{}{}.{}={}", out.empty() ? "" : " ", escaped(name, 32),
                           escaped(claim, 32), *number);
    }
}

struct Standing {
    std::string worst, where, vector;
};

Result<Standing> standing_of(const JsonValue& submods) {
    ATTESTD_TRY(JsonObject all, as_claim(submods.object()));
    Standing out;
    std::optional<std::size_t> worst;
    for (const auto& [name, value] : all.rest()) {
        ATTESTD_TRY(JsonObject submod, as_claim(value.object()));
        ATTESTD_TRY(const JsonValue status_value, as_claim(submod.required("ear.status")));
        ATTESTD_TRY(const std::string status, as_claim(status_value.text()));
        add_vector(out.vector, name, submod);
        if (worst && rank_of(status) <= *worst) continue;
        worst = rank_of(status);
        out.worst = status;
        out.where = name;
    }
    return out;
}

}  // namespace

Result<JudgedToken> judge_token(std::string_view token, const TokenExpectations& expected,
                                Time now) {
    ATTESTD_TRY(const Jws jws, Jws::parse(token));
    ATTESTD_CHECK(check_signature(jws, expected.signers, now));
    ATTESTD_TRY(const auto document,
                as_claim(JsonDocument::parse(as_text(jws.payload()), "token", kPayloadLimits)));
    ATTESTD_TRY(JsonObject claims, as_claim(document.root().object()));
    JudgedToken out;
    ATTESTD_TRY(out.expires_, check_times(claims, now));
    ATTESTD_TRY(const JsonValue submods, as_claim(claims.required("submods")));
    ATTESTD_CHECK(check_binding_claims(submods, expected));
    ATTESTD_TRY(Standing standing, standing_of(submods));
    const std::size_t limit = expected.accept_warning ? 1 : 0;
    if (rank_of(standing.worst) > limit) {
        return fail(Errc::token_not_affirming,
                    fmt::format("ear.status of {} is \"{}\" ({})", escaped(standing.where, 32),
                                escaped(standing.worst, 32), standing.vector));
    }
    out.status_ = std::move(standing.worst);
    out.vector_ = std::move(standing.vector);
    out.text_ = token;
    return out;
}

}  // namespace attestd::kbs
