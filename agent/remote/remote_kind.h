// RemoteKind: what verifiers on the network have in common: a challenge, evidence that is bound to
// it, a signed token in answer, and its words as a VerifierStatement (verifier/stated_result.h).
//
// Every attempt binds a fresh nonce of ours beside whatever the service gives, and a token that
// does not speak of it, and of this very evidence, refuses. A service that cannot be asked is an
// outage: an Error. One that refuses the evidence, or whose token does not stand, is a refusal: a
// result. Nothing is sent twice; the session's own pauses are the retries.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/clock.h"
#include "agent/network/fetcher.h"
#include "agent/remote/match.h"
#include "agent/remote/token.h"
#include "agent/verifier_kind.h"
#include "quote/base/secret.h"
#include "verifier/stated_result.h"

namespace attestd::remote {

/// What time it is, and how to let some pass.
struct Surroundings {
    std::shared_ptr<Fetcher> fetcher;
    std::function<BootTime()> boot;
    std::function<void(std::chrono::milliseconds)> sleep;
};

class RemoteKind : public VerifierKind {
 public:
    /// Besides what VerifierKind says: errors of the fetcher, Errc::remote_verifier_*, and
    /// Errc::remote_verifier_throttled without asking, until the time that the service gave.
    [[nodiscard]] bool has_challenge() const noexcept final { return true; }
    [[nodiscard]] Result<ReportData> begin(ByteView nonce) final;
    [[nodiscard]] Result<AttestationResult> appraise(const Evidence& evidence,
                                                     const Expectations& expected, Time now) final;
    [[nodiscard]] std::shared_ptr<const VerifierToken> take_token() final {
        return std::exchange(token_, nullptr);
    }

 protected:
    RemoteKind(const VerifierConfig& config, Surroundings around)
        : around_(std::move(around)),
          timeout_(config.timeout),
          max_age_(config.max_age),
          grade_(config.is_test() ? Grade::test : Grade::production) {}

    /// What the service says of evidence: its token, and what that comes to.
    struct Word {
        Word() = default;
        Word(Word&&) = default;
        Word& operator=(Word&&) = delete;
        ~Word() { wipe_text(token); }

        VerifierStatement statement;  ///< verdict and grade are not looked at
        std::string token;            ///< a bearer's: overwritten at the end
        TokenTimes times;
    };

    /// What evidence must carry. Errors are outages.
    [[nodiscard]] virtual Result<ReportData> challenge(ByteView nonce,
                                                       Fetcher::Deadline deadline) = 0;
    /// Asks and judges. Errc::remote_verifier_refused, Errc::kbs_refused, Errc::token_*, a signer
    /// that was revoked and a revocation list that is no good refuse; others are outages.
    [[nodiscard]] virtual Result<Word> ask(const Evidence& evidence, const EvidenceFacts& facts,
                                           const ReportData& expected, Time now,
                                           Fetcher::Deadline deadline) = 0;

    /// An answer, whatever its status. Remembers what "Retry-After" says of a 429 or a 503.
    [[nodiscard]] Result<FetchResponse> fetch(const FetchRequest& request,
                                              Fetcher::Deadline deadline);

    /// The same of an answer that holds a token.
    [[nodiscard]] Result<SecretFetchResponse> fetch_secret(const FetchRequest& request,
                                                           Fetcher::Deadline deadline);

    [[nodiscard]] const Surroundings& around() const noexcept { return around_; }

 private:
    [[nodiscard]] Result<Word> judged(const Evidence& evidence, const ReportData& expected,
                                      Time now);
    [[nodiscard]] Result<void> keep_token(Word& word);
    void note_pause(unsigned status, std::string_view retry_after);

    Surroundings around_;
    Millis timeout_;
    Millis max_age_;
    Grade grade_;
    bool has_begun_ = false;
    BootTime not_before_{};
    std::shared_ptr<const VerifierToken> token_;
};

/// A finding that denies, with an error's name for its id.
[[nodiscard]] Finding refusal(const Error& error);

/// Our nonce as a member of a small JSON text: what is bound where a service takes data of ours. It
/// is printable and longer than any report data of a workload, so that no bytes before it make the
/// digest of both one of theirs (agent/evidence.h).
[[nodiscard]] std::string session_data(ByteView nonce);
/// Whether an object of claims is, or holds, that text's member with our nonce.
[[nodiscard]] bool holds_session_data(JsonObject& claims, ByteView nonce);

}  // namespace attestd::remote
