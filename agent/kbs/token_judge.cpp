#include "agent/kbs/token_judge.h"

#include <nlohmann/json.hpp>

#include "agent/kbs/ear.h"
#include "agent/remote/token.h"
#include "quote/base/json.h"

namespace attestd::kbs {
namespace {

constexpr JsonLimits kPayloadLimits{.max_len = std::size_t{1} << 19, .max_depth = 32};
constexpr std::string_view kEvidence = "ear.veraison.annotated-evidence";

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

}  // namespace

Result<JudgedToken> judge_token(std::string_view token, const TokenExpectations& expected,
                                Time now) {
    ATTESTD_TRY(const Jws jws, Jws::parse(token));
    ATTESTD_CHECK(check_signature(jws, expected.signers, now));
    ATTESTD_TRY(const auto document,
                as_claim(JsonDocument::parse(as_text(jws.payload()), "token", kPayloadLimits)));
    ATTESTD_TRY(JsonObject claims, as_claim(document.root().object()));
    JudgedToken out;
    ATTESTD_TRY(const TokenTimes times, check_token_times(claims, TokenEnd::required, now));
    ATTESTD_CHECK(remote::check_life(times));
    out.expires_ = *times.expires;
    ATTESTD_CHECK(remote::check_issuer(claims, expected.issuer));
    ATTESTD_TRY(const JsonValue submods, as_claim(claims.required("submods")));
    ATTESTD_CHECK(check_binding_claims(submods, expected));
    ATTESTD_TRY(EarStanding standing, ear_standing_of(submods));
    ATTESTD_CHECK(check_ear(standing, expected.accept_warning, expected.policies));
    out.status_ = std::move(standing.worst);
    out.vector_ = std::move(standing.vector);
    out.evidence_claims_ = submods.raw().at("cpu0").at(kEvidence).dump();
    ATTESTD_TRY(out.text_, Secret::copy_of(as_bytes(token)));
    return out;
}

}  // namespace attestd::kbs
