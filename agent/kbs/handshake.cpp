#include "agent/kbs/handshake.h"

#include <fmt/format.h>

#include "agent/kbs/runtime_data.h"

namespace attestd::kbs {
namespace {

constexpr std::size_t kMaxShownSession = 8;  // enough to find it in the broker's log

JoseKeyKind key_kind_of(TeeKeyType type) noexcept {
    switch (type) {
        case TeeKeyType::p521:
            return JoseKeyKind::p521;
        case TeeKeyType::rsa3072:
            return JoseKeyKind::rsa3072;
        case TeeKeyType::p256:
            break;
    }
    return JoseKeyKind::p256;
}

FetchRequest step_request(const KbsSourceConfig& config, std::string_view endpoint,
                          std::string_view body) {
    FetchRequest request;
    request.url = fmt::format("{}/kbs/v0/{}", config.url, endpoint);
    request.method = "POST";
    request.content_type = "application/json";
    request.body = to_bytes(as_bytes(body));
    return request;
}

}  // namespace

Result<OpenHandshake> open_handshake(const KbsSourceConfig& config, TeeKind kind,
                                     const SendStep& send, Fetcher::Deadline deadline) {
    const auto spelling = config.legacy_tee_names ? TeeSpelling::legacy : TeeSpelling::current;
    const auto hashes = offered_hashes(kind.is_azure);
    const std::string body =
        auth_body(config.protocol, tee_name_of(kind, spelling), hashes, config.extra_params);
    ATTESTD_TRY(const FetchResponse greeted,
                send(step_request(config, "auth", body), Step::auth, deadline));
    ATTESTD_TRY(const Challenge challenge, parse_challenge(as_text(greeted.body), hashes));
    ATTESTD_TRY(std::string cookie, session_cookie_of(greeted));
    ATTESTD_TRY(JosePrivateKey key, JosePrivateKey::generate(key_kind_of(config.tee_key)));
    auto public_jwk = nlohmann::json::parse(key.public_key().jwk());
    const std::string bound = config.protocol == KbsProtocol::v0_2_0
                                  ? device_text(challenge.nonce, public_jwk)
                                  : primary_text(challenge.nonce, public_jwk, /*additional=*/"");
    Bytes digest = digest_of(bound, challenge.hash);
    return OpenHandshake{kind,           std::move(cookie),     challenge.nonce,
                         std::move(key), std::move(public_jwk), std::move(digest)};
}

Result<Secret> attest_handshake(const KbsSourceConfig& config, const OpenHandshake& open,
                                const Evidence& evidence, const SendForToken& send,
                                Fetcher::Deadline deadline) {
    if (!(kind_of(evidence) == open.kind))
        return fail(Errc::platform_failed, "the evidence is of another TEE than the session's");
    ATTESTD_TRY(const auto primary, primary_evidence(evidence, open.digest));
    Attestation attestation{open.nonce, open.public_jwk, primary};
    if (config.init_data) attestation.init_data = as_text(config.init_data->bytes);
    FetchRequest request =
        step_request(config, "attest", attest_body(config.protocol, attestation));
    request.headers.emplace_back("Cookie", "kbs-session-id=" + open.cookie);
    auto answer = send(std::move(request), deadline);
    if (answer) return parse_token_answer(std::move(answer->body));
    // The broker says no more to us, and all to its own log: by this the two are matched.
    return fail(answer.error().code, fmt::format("{} (session {})", answer.error().detail,
                                                 open.cookie.substr(0, kMaxShownSession)));
}

}  // namespace attestd::kbs
