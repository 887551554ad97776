// What a key broker answers: challenges, tokens, errors, cookies.
#include <nlohmann/json.hpp>

#include "agent/kbs/answer.h"
#include "agent/kbs/messages.h"
#include "agent/kbs/token_judge.h"
#include "quote/base/base64url.h"
#include "tests/fuzz/target.h"
#include "tests/support/forge/signing_key.h"
#include "tests/support/forge/x509_forge.h"

namespace attestd::fuzz::kbs_answers {
namespace {

using namespace attestd::kbs;
using nlohmann::json;

constexpr std::int64_t kSeconds = 1'800'000'000;
constexpr Time kNow{std::chrono::seconds(kSeconds)};
const std::string kNonce = "nonce/+\"";

const json& public_jwk() {
    static const json made{{"kty", "EC"}, {"crv", "P-256"}, {"x", "AA"}, {"y", "BB"}};
    return made;
}

const forge::SigningKey& signer() {
    static const forge::SigningKey made(KeyKind::p256);
    return made;
}

std::string claims(const std::string& status) {
    const json runtime{{"nonce", kNonce}, {"tee-pubkey", public_jwk()}};
    const json cpu{{"ear.status", status},
                   {"ear.trustworthiness-vector", {{"hardware", 2}}},
                   {"ear.veraison.annotated-evidence", {{"runtime_data_claims", runtime}}}};
    return json{{"iat", kSeconds}, {"exp", kSeconds + 300}, {"submods", {{"cpu0", cpu}}}}.dump();
}

std::string token_over(std::string_view payload) {
    const std::string text = to_base64url(as_bytes(R"({"alg":"ES256","typ":"JWT"})")) + '.' +
                             to_base64url(as_bytes(payload));
    return text + '.' + to_base64url(signer().sign_raw(as_bytes(text)));
}
const std::string& good_token() {
    static const std::string made = token_over(claims("affirming"));
    return made;
}

// The input is a token, and the claims of another that the broker signs.
void run_token(ByteView input) {
    static const TokenSigners signers = must(TokenSigners::parse(
        as_bytes(forge::to_pem("PUBLIC KEY", signer().spki())), "signer", std::nullopt));
    const TokenExpectations expected{&signers, kNonce, public_jwk(), false};
    const auto given = judge_token(as_text(input), expected, kNow);
    const auto signed_part = [](std::string_view token) {
        return token.substr(0, std::min(token.rfind('.'), token.size()));
    };
    holds(!given || signed_part(as_text(input)) == signed_part(good_token()),
          "what was not signed is not judged good");
    if (input.size() > 4096) return;
    const auto judged = judge_token(token_over(as_text(input)), expected, kNow);
    if (!judged) return;
    reached();
    holds(judged->status() == "affirming", "nothing but affirming will do");
    holds(judged->expires() > kNow, "a good token has not ended");
    const TokenExpectations other{&signers, "another", public_jwk(), false};
    judged->text().expose([&](ByteView text) {
        holds(!judge_token(as_text(text), other, kNow), "a token is good for one handshake");
    });
}

Seeds token_seeds() {
    return {seed("token", good_token()), seed("affirming", claims("affirming")),
            seed("warning", claims("warning"))};
}

FetchResponse answer_of(ByteView input) {
    constexpr std::array<unsigned, 6> kStatuses{200, 401, 404, 429, 500, 403};
    FetchResponse out;
    out.status = kStatuses[input.empty() ? 0 : input[0] % kStatuses.size()];
    const std::string text(as_text(input.subspan(std::min<std::size_t>(1, input.size()))));
    const std::size_t line = std::min(text.find('\n'), text.size());
    for (const char* name : {"content-type", "set-cookie", "retry-after"})
        out.headers.emplace_back(name, text.substr(0, line));
    out.body = to_bytes(as_bytes(std::string_view(text).substr(std::min(line + 1, text.size()))));
    return out;
}

void check_error(const FetchResponse& answer) {
    for (const Step step : {Step::auth, Step::attest, Step::read}) {
        const auto checked = check_answer(answer, step, KbsProtocol::v0_4_0);
        if (checked) {
            holds(answer.status == 200, "only 200 is a success");
            continue;
        }
        for (const char c : checked.error().detail)
            holds(c >= ' ' && c <= '~', "the broker's words are escaped");
        static_cast<void>(remedy_of(checked.error().code));
    }
}

void run_answer(ByteView input) {
    const std::string_view text = as_text(input);
    if (const auto challenge = parse_challenge(text, offered_hashes(/*is_azure=*/false))) {
        reached();
        holds(!challenge->nonce.empty() && challenge->nonce.size() <= kMaxNonceLen,
              "a nonce is bounded");
        const std::string primary = primary_text(challenge->nonce, public_jwk(), "");
        const auto again = must(JsonDocument::parse(primary, "canonical"));
        auto members = must(again.root().object());
        holds(must(must(members.required("nonce")).text()) == challenge->nonce,
              "a nonce is bound as it came");
        const json empty = json::object();
        const Attestation attestation{challenge->nonce, public_jwk(), empty, {}};
        holds(!attest_body(KbsProtocol::v0_4_0, attestation).empty(), "it can be answered");
    }
    static_cast<void>(parse_token_answer(must(Secret::copy_of(input))));
    const FetchResponse answer = answer_of(input);
    check_error(answer);
    if (const auto wait = parse_retry_after(answer.header("retry-after")))
        holds(wait->count() >= 0 && wait->count() <= 3600, "an hour at most");
    if (const auto cookie = session_cookie_of(answer)) {
        for (const char c : *cookie)
            holds(c > ' ' && c <= '~' && c != ';' && c != ',', "a cookie can stand in a header");
    }
}

Seeds answer_seeds() {
    return {seed("challenge",
                 R"({"nonce": "abc=", "extra-params": {"selected-hash-algorithm": "sha256"}})"),
            seed("plain-challenge", R"({"nonce": "abc=", "extra-params": ""})"),
            seed("token", R"({"token": "a.b.c"})"),
            seed("error",
                 "\x01"
                 "application/problem+json\n"
                 R"({"type": "https://github.com/x/kbs/errors/PolicyDeny", "detail": "no"})"),
            seed("cookie", std::string(1, '\0') + "kbs-session-id=0123-abc; Path=/; HttpOnly\n{}"),
            seed("later",
                 "\x03"
                 "120\nslow down")};
}

const bool kToken =
    add({"kbs-token",
         run_token,
         token_seeds,
         {"\"exp\":", "\"iat\":", "\"nbf\":", "\"submods\":", "\"cpu0\":", "\"gpu0\":",
          "\"ear.status\":", "\"affirming\"", "\"contraindicated\"",
          "\"nonce\":", "\"tee-pubkey\":", "\"runtime_data_claims\":", "1800000300"},
         1000});
const bool kAnswer =
    add({"kbs-answer",
         run_answer,
         answer_seeds,
         {"\"nonce\":", "\"extra-params\":", "\"selected-hash-algorithm\":", "\"sha512\"",
          "\"token\":", "/errors/", "AttestationError", "TokenNotFound", "PolicyDeny",
          "kbs-session-id=", "session", "application/json", "text/xml", "\"type\":", "\"detail\":"},
         3000});

}  // namespace
}  // namespace attestd::fuzz::kbs_answers
