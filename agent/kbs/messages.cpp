#include "agent/kbs/messages.h"

#include <array>
#include <nlohmann/json.hpp>

#include "agent/hashivault/secret_json.h"

namespace attestd::kbs {
namespace {

using nlohmann::json;

constexpr JsonLimits kChallengeLimits{.max_len = 131072, .max_depth = 16};
constexpr std::size_t kMaxTokenAnswer = std::size_t{1} << 20;

// The server's JSON, or a complaint that it is none: one code, whatever is wrong with it.
template <class T>
Result<T> of_broker(Result<T> result) {
    if (result || result.error().code == Errc::memory_locked) return result;
    return fail(Errc::kbs_protocol, std::move(result.error().detail));
}

Result<std::string> text_member(JsonObject& in, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, of_broker(in.required(key)));
    return of_broker(value.text());
}

}  // namespace

std::string auth_body(KbsProtocol protocol, std::string_view tee,
                      std::span<const std::string_view> hashes, std::string_view extra_params) {
    json extra = json::object();
    // Configuration's own text, parsed once already.
    if (!extra_params.empty()) extra = json::parse(extra_params);
    extra["supported-hash-algorithms"] = hashes;
    json out = json::object();
    out["version"] = kbs_protocol_name(protocol);
    out["tee"] = tee;
    out["extra-params"] = std::move(extra);
    return out.dump();
}

Result<Challenge> parse_challenge(std::string_view text, std::span<const std::string_view> hashes) {
    ATTESTD_TRY(const auto document,
                of_broker(JsonDocument::parse(text, "the broker's challenge", kChallengeLimits)));
    ATTESTD_TRY(JsonObject in, of_broker(document.root().object()));
    Challenge out{};
    ATTESTD_TRY(out.nonce, text_member(in, "nonce"));
    if (out.nonce.empty() || out.nonce.size() > kMaxNonceLen) {
        return document.root().fail_here(Errc::kbs_protocol,
                                         "its nonce has no length, or over 16384 bytes");
    }
    out.hash = HashName::sha384;
    if (const auto extra = in.optional("extra-params")) {
        ATTESTD_TRY(out.hash, chosen_hash(*extra, hashes));
    }
    return out;
}

std::string attest_body(KbsProtocol protocol, const Attestation& attestation) {
    json out = json::object();
    if (protocol == KbsProtocol::v0_2_0) {
        out["tee-pubkey"] = attestation.public_jwk;
        out["tee-evidence"] = attestation.primary;
        return out.dump();
    }
    out["init-data"] = nullptr;
    if (!attestation.init_data.empty())
        out["init-data"] = {{"format", "toml"}, {"body", attestation.init_data}};
    out["runtime-data"] = {{"nonce", attestation.nonce}, {"tee-pubkey", attestation.public_jwk}};
    out["tee-evidence"] = {{"primary_evidence", attestation.primary}, {"additional_evidence", ""}};
    return out.dump();
}

Result<Secret> parse_token_answer(Secret answer) {
    constexpr std::array<std::string_view, 1> kTokenPart{"token"};
    if (answer.size() > kMaxTokenAnswer) return fail(Errc::kbs_protocol, "attest: over 1 MiB");
    ATTESTD_TRY(const auto json,
                of_broker(hashivault::SecretJson::parse(std::move(answer), kTokenPart)));
    ATTESTD_TRY(JsonObject in, of_broker(json.document().root().object()));
    ATTESTD_TRY(const JsonValue token, of_broker(in.required("token")));
    return of_broker(json.text_of(token));
}

bool is_utf8(std::string_view text) {
    try {
        return !json(text).dump().empty();
    } catch (const json::exception&) {
        return false;
    }
}

}  // namespace attestd::kbs
