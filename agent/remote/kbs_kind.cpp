#include "agent/remote/kbs_kind.h"

#include "agent/kbs/client.h"
#include "agent/kbs/runtime_data.h"
#include "agent/remote/trustee_claims.h"

namespace attestd::remote {
namespace {

constexpr JsonLimits kEvidenceClaimLimits{.max_len = std::size_t{1} << 19, .max_depth = 32};

// What the token's annotated evidence says about ours.
Result<void> check_annotated(const std::string& text, const EvidenceFacts& facts,
                             kbs::TeeKind kind) {
    ATTESTD_TRY(const auto document, JsonDocument::parse(text, "token", kEvidenceClaimLimits));
    ATTESTD_TRY(JsonObject annotated, document.root().object());
    return check_trustee_claims(annotated, facts, kind);
}

}  // namespace

Result<std::unique_ptr<VerifierKind>> KbsKind::make(const VerifierConfig& config,
                                                    Surroundings around) {
    ATTESTD_TRY(auto signers, kbs::broker_signers(config.broker->broker));
    return std::unique_ptr<VerifierKind>(
        new KbsKind(config, std::move(signers), std::move(around)));
}

kbs::SendStep KbsKind::sender() {
    return [this](const FetchRequest& request, kbs::Step step,
                  Fetcher::Deadline deadline) -> Result<FetchResponse> {
        ATTESTD_TRY(FetchResponse answer, fetch(request, deadline));
        ATTESTD_CHECK(kbs::check_answer(answer, step, config_.broker.protocol));
        return answer;
    };
}

Result<ReportData> KbsKind::challenge(ByteView /*nonce*/, Fetcher::Deadline deadline) {
    open_.reset();
    const kbs::TeeKind kind{config_.tee, config_.is_azure};
    ATTESTD_TRY(open_, kbs::open_handshake(config_.broker, kind, sender(), deadline));
    return kbs::report_data_of(open_->digest);
}

Result<KbsKind::Word> KbsKind::ask(const Evidence& evidence, const EvidenceFacts& facts,
                                   const ReportData& expected, Time now,
                                   Fetcher::Deadline deadline) {
    const kbs::OpenHandshake open = *std::exchange(open_, std::nullopt);
    const kbs::SendForToken for_token =
        [this](const FetchRequest& request,
               Fetcher::Deadline until) -> Result<SecretFetchResponse> {
        ATTESTD_TRY(SecretFetchResponse answer, fetch_secret(request, until));
        ATTESTD_CHECK(kbs::check_answer(answer, kbs::Step::attest, config_.broker.protocol));
        return answer;
    };
    ATTESTD_TRY(const Secret text,
                kbs::attest_handshake(config_.broker, open, evidence, for_token, deadline));
    const kbs::TokenExpectations token_must{
        signers_ ? &*signers_ : nullptr, open.nonce,     open.public_jwk,
        config_.broker.accept_warning,   config_.issuer, config_.policies};
    ATTESTD_TRY(const kbs::JudgedToken token, text.expose([&](ByteView bytes) {
        return kbs::judge_token(as_text(bytes), token_must, now);
    }));
    ATTESTD_CHECK(check_annotated(token.evidence_claims(), facts, open.kind));
    Word out;
    out.token = text.expose([](ByteView bytes) { return std::string(as_text(bytes)); });
    out.times = {now, token.expires()};
    out.statement.report_data = expected;
    return out;
}

}  // namespace attestd::remote
