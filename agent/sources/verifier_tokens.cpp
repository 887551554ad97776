#include "agent/sources/verifier_tokens.h"

#include <algorithm>

#include "agent/awaited_answer.h"
#include "agent/http/stop_signal.h"

namespace attestd {
namespace {

constexpr auto kRenewalLook = std::chrono::milliseconds(50);  // how often, while one is waited for
constexpr std::chrono::hours kLongestUse{24};

Result<IdentityToken> login_token_of(const std::shared_ptr<const VerifierToken>& token) {
    if (token == nullptr)
        return fail(Errc::identity_unavailable, "the verifier has given no token yet");
    const Time now = wall_now();
    if (token->expires <= now) {
        return fail(Errc::identity_unavailable,
                    "the verifier's token expired at " + to_rfc3339(token->expires));
    }
    ATTESTD_TRY(Secret text, token->text.clone());
    const auto left = std::min<std::chrono::seconds>(token->expires - now, kLongestUse);
    return IdentityToken{std::move(text), BootClock::now() + left};
}

// The token that follows the present one.
Task<void> answer_with_next(Io& io, Session& session, IdentityTokens::Deadline deadline,
                            Answer<IdentityToken> answer) {
    const auto before = session.token(BootClock::now());
    session.renew_now();
    Timer look(io);
    auto now = before;
    while (now == before && std::chrono::steady_clock::now() < deadline &&
           !process_stop().is_raised()) {
        look.expires_after(kRenewalLook);
        co_await wait_for(look);
        now = session.token(BootClock::now());
    }
    if (now == before) now = nullptr;
    answer->set_value(login_token_of(now));
}

class VerifierTokens final : public IdentityTokens {
 public:
    VerifierTokens(Io& io, Session& session) : io_(io), session_(session) {}

    Result<IdentityToken> token(TokenAge age, Deadline deadline) override {
        const auto answer = make_answer<IdentityToken>();
        asio::post(io_, [answer, age, deadline, &io = io_, &session = session_] {
            if (age == TokenAge::any)
                answer->set_value(login_token_of(session.token(BootClock::now())));
            else
                spawn(io, answer_with_next(io, session, deadline, answer));
        });
        return wait_for_answer(answer, deadline, "the verifier gave no token in time");
    }

 private:
    Io& io_;
    Session& session_;
};

}  // namespace

std::shared_ptr<IdentityTokens> tokens_of_verifier(Io& io, Session& session) {
    return std::make_shared<VerifierTokens>(io, session);
}

}  // namespace attestd
