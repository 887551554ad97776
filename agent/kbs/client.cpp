#include "agent/kbs/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/kbs/handshake.h"
#include "agent/kbs/runtime_data.h"
#include "agent/log.h"
#include "agent/network/wiped_request.h"
#include "config/secret_name.h"

namespace attestd::kbs {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned kMaxTries = 3;            // of one read, while the broker does not answer
constexpr milliseconds kLongestPause{1000};  // between them
constexpr std::size_t kMaxShownCookie = 8;   // enough to find it in the broker's log
// However long a token claims to live; and the clock of ages ends before the year 9999.
constexpr std::chrono::hours kLongestSession{24};
// attestd-fetch takes 24 KiB of head, and the address is in it too.
constexpr std::size_t kMaxBearerLen = 16384;
constexpr std::chrono::minutes kShortestGiven{1};  // what is left of a token that is given away

Result<Secret> decrypted(ByteView body, const JosePrivateKey& key) {
    ATTESTD_TRY(const Jwe message, Jwe::parse(as_text(body), "the broker's answer"));
    ATTESTD_TRY(Secret secret, message.decrypt(key));
    if (secret.empty()) return fail(Errc::kbs_protocol, "read: the secret is empty");
    if (secret.size() > kMaxSecretLen) return fail(Errc::secret_too_large, "read: over 1 MiB");
    return secret;
}

}  // namespace

Result<std::optional<TokenSigners>> broker_signers(const KbsSourceConfig& config) {
    if (config.init_data && !is_utf8(as_text(config.init_data->bytes))) {
        return fail(Errc::bad_config,
                    config.init_data->path.string() + ": init-data must be UTF-8 text");
    }
    if (!config.token_signer) return std::optional<TokenSigners>();
    const auto algorithm = jws_algorithm_named(config.token_algorithm);
    ATTESTD_TRY(TokenSigners signers,
                TokenSigners::parse(config.token_signer->bytes, config.token_signer->path.string(),
                                    algorithm));
    return std::optional<TokenSigners>(std::move(signers));
}

Result<KbsClient> KbsClient::make(KbsSourceConfig config, std::shared_ptr<Fetcher> fetcher,
                                  std::shared_ptr<Attester> attester, Clocks clocks) {
    ATTESTD_TRY(auto signers, broker_signers(config));
    return KbsClient(std::move(config), std::move(signers), std::move(fetcher), std::move(attester),
                     std::move(clocks));
}

KbsClient::KbsClient(KbsSourceConfig config, std::optional<TokenSigners> signers,
                     std::shared_ptr<Fetcher> fetcher, std::shared_ptr<Attester> attester,
                     Clocks clocks)
    : config_(std::move(config)),
      signers_(std::move(signers)),
      fetcher_(std::move(fetcher)),
      attester_(std::move(attester)),
      clocks_(std::move(clocks)),
      random_(std::random_device()()) {}

double KbsClient::jitter() { return std::uniform_real_distribution<double>(0, 1)(random_); }

bool KbsClient::has_session() const noexcept {
    return session_ && clocks_.boot() < session_->expires;
}

std::optional<BootTime> KbsClient::expires() const noexcept {
    if (!session_) return std::nullopt;
    return session_->expires;
}

std::optional<BootTime> KbsClient::next_try() const {
    if (backoff_.holds(clocks_.boot()) == nullptr) return std::nullopt;
    return backoff_.until();
}

Result<void> KbsClient::check_backoff(const Error* held) {
    if (held == nullptr) return {};
    return fail(held->code, held->detail + " (the broker is not asked again yet)");
}

Result<IdentityToken> KbsClient::token(TokenAge age, Fetcher::Deadline deadline) {
    ATTESTD_CHECK(check_backoff(backoff_.holds(clocks_.boot())));
    if (!has_session()) session_.reset();
    if (!session_ || age == TokenAge::fresh) {
        // The present session stays until there is another: it serves reads.
        Backoff& backoff = session_ ? backoff_of_fresh_ : backoff_;
        ATTESTD_CHECK(check_backoff(backoff.holds(clocks_.boot())));
        retry_after_.reset();
        unsigned num_handshakes_left = 2;
        if (auto begun = begin_session(num_handshakes_left, deadline); !begun) {
            const bool is_over = remedy_of(begun.error().code) != Remedy::later;
            backoff.failed(begun.error(), is_over ? Backoff::kRefused : Backoff::kFailed,
                           clocks_.boot(), jitter(), retry_after_);
            return tl::make_unexpected(std::move(begun).error());
        }
    }
    ATTESTD_TRY(Secret text, session_->token.text().clone());
    return IdentityToken{std::move(text), session_->expires};
}

Result<GivenToken> KbsClient::give_token(KeyExport key, Fetcher::Deadline deadline) {
    // Each key that leaves is of a session of its own: no two workloads have the same.
    const bool is_ending = session_ && session_->expires - clocks_.boot() < kShortestGiven;
    const bool is_fresh = key == KeyExport::yes || is_ending;
    ATTESTD_TRY(IdentityToken made, token(is_fresh ? TokenAge::fresh : TokenAge::any, deadline));
    GivenToken out{std::move(made.text), std::nullopt, session_->expires};
    if (key == KeyExport::no) return out;
    ATTESTD_TRY(out.key_pem, session_->key.pem());
    session_.reset();
    return out;
}

Result<Secret> KbsClient::read(const std::string& path) {
    if (auto free = check_backoff(holds(path)); !free) {
        ++counters_.num_failed;
        return tl::make_unexpected(std::move(free).error());
    }
    auto secret = read_with_pauses(path, steady_clock::now() + config_.timeout);
    ++(secret ? counters_.num_reads : counters_.num_failed);
    return secret;
}

// Of the broker, or of what lies at `path` alone.
const Error* KbsClient::holds(const std::string& path) const {
    const BootTime now = clocks_.boot();
    if (const Error* const held = backoff_.holds(now)) return held;
    const auto of_one = backoff_of_one_.find(path);
    return of_one == backoff_of_one_.end() ? nullptr : of_one->second.holds(now);
}

// The same again while the broker does not answer; then it is left alone for a while.
Result<Secret> KbsClient::read_with_pauses(const std::string& path, Fetcher::Deadline deadline) {
    for (unsigned i = 1;; ++i) {
        retry_after_.reset();
        auto secret = read_once(path, deadline);
        const bool is_over = secret || remedy_of(secret.error().code) != Remedy::later;
        // Without a result of its own this machine has not asked the broker anything.
        const bool was_asked = secret || secret.error().code != Errc::not_affirming;
        if (!was_asked) return secret;
        if (secret || (is_over && session_)) {
            backoff_.succeeded();
            backoff_of_one_.erase(path);
            return secret;
        }
        const auto pause = std::chrono::duration_cast<milliseconds>(
            kLongestPause * (0.25 * i * (0.5 + 0.5 * jitter())));
        const bool no_time = steady_clock::now() + pause >= deadline;
        if (is_over || i == kMaxTries || no_time || retry_after_) {
            // A broker that fails at one secret while the session stands may give others.
            const bool is_about_one = session_ && secret.error().code == Errc::kbs_failed;
            Backoff& backoff = is_about_one ? backoff_of_one_[path] : backoff_;
            backoff.failed(secret.error(), is_over ? Backoff::kRefused : Backoff::kFailed,
                           clocks_.boot(), jitter(), retry_after_);
            return secret;
        }
        clocks_.sleep(pause);
    }
}

// The table of section 3.6: whatever the broker does not accept any more, one new handshake.
Result<Secret> KbsClient::read_once(const std::string& path, Fetcher::Deadline deadline) {
    unsigned num_handshakes_left = 2;
    if (!has_session()) session_.reset();
    if (!session_) ATTESTD_CHECK(begin_session(num_handshakes_left, deadline));
    auto secret = read_by(path, session_->by, deadline);
    // Also when the session ended while the answer was under way: it may not be used any more.
    const auto is_lost = [&] {
        return secret ? !has_session() : remedy_of(secret.error().code) == Remedy::new_session;
    };
    // The broker's session may be over before the token is; a large token cannot be sent.
    const bool may_bear = session_->by == Authorization::cookie && num_handshakes_left == 2 &&
                          session_->token.text().size() <= kMaxBearerLen;
    if (is_lost() && has_session() && may_bear)
        secret = read_by(path, Authorization::bearer, deadline);
    if (!is_lost()) return secret;
    session_.reset();
    if (num_handshakes_left != 0) {
        num_handshakes_left = 1;
        ATTESTD_CHECK(begin_session(num_handshakes_left, deadline));
        secret = read_by(path, Authorization::cookie, deadline);
        if (!is_lost()) return secret;
        session_.reset();
    }
    if (secret) return fail(Errc::token_expired, "the broker's token ends before its answer comes");
    return secret;
}

Result<Secret> KbsClient::read_by(const std::string& path, Authorization by,
                                  Fetcher::Deadline deadline) {
    FetchRequest request;
    request.url = fmt::format("{}/kbs/v0/{}", config_.url, path);
    request.headers.emplace_back("Content-Type", "application/json");
    if (by == Authorization::bearer) return read_as_bearer(std::move(request), deadline);
    request.headers.emplace_back("Cookie", "kbs-session-id=" + session_->cookie);
    ATTESTD_TRY(const FetchResponse answer, send(std::move(request), Step::read, deadline));
    session_->by = by;
    return decrypted(answer.body, session_->key);
}

Result<Secret> KbsClient::read_as_bearer(FetchRequest request, Fetcher::Deadline deadline) {
    WipedRequest wiped{std::move(request)};
    wiped.add_header("Authorization", "Bearer ", session_->token.text());
    ATTESTD_TRY(const SecretFetchResponse answer, send_secret(wiped.request, Step::read, deadline));
    session_->by = Authorization::bearer;
    return answer.body.expose([&](ByteView body) { return decrypted(body, session_->key); });
}

// One new handshake may follow one whose session the broker lost in between.
Result<void> KbsClient::begin_session(unsigned& num_handshakes_left, Fetcher::Deadline deadline) {
    for (;;) {
        --num_handshakes_left;
        ++counters_.num_handshakes;
        auto made = handshake(deadline);
        if (made) {
            session_.emplace(*std::move(made));
            backoff_of_fresh_.succeeded();
            ++counters_.num_attested;
            token_summary_ =
                fmt::format("{} ({})", session_->token.status(), session_->token.vector());
            log_event(LogLevel::debug, "kbs.attested",
                      {{"url", config_.url},
                       {"session", session_->cookie.substr(0, kMaxShownCookie)},
                       {"token", token_summary_},
                       {"until", to_rfc3339(session_->token.expires())}});
            return {};
        }
        const bool is_lost = remedy_of(made.error().code) == Remedy::new_session;
        if (!is_lost || num_handshakes_left == 0) return tl::make_unexpected(made.error());
    }
}

Result<KbsClient::Session> KbsClient::handshake(Fetcher::Deadline deadline) {
    ATTESTD_TRY(const TeeKind kind, attester_->kind());
    const SendStep by_us = [this](FetchRequest request, Step step, Fetcher::Deadline until) {
        return send(std::move(request), step, until);
    };
    ATTESTD_TRY(OpenHandshake open, open_handshake(config_, kind, by_us, deadline));
    ATTESTD_TRY(const Evidence evidence, attester_->collect(report_data_of(open.digest), deadline));
    const SendForToken for_token = [this](const FetchRequest& request, Fetcher::Deadline until) {
        return send_secret(request, Step::attest, until);
    };
    ATTESTD_TRY(const Secret text, attest_handshake(config_, open, evidence, for_token, deadline));
    const TokenExpectations expected{signers_ ? &*signers_ : nullptr, open.nonce, open.public_jwk,
                                     config_.accept_warning};
    const Time now = clocks_.wall();
    ATTESTD_TRY(JudgedToken token, text.expose([&](ByteView bytes) {
        return judge_token(as_text(bytes), expected, now);
    }));
    const BootTime expires =
        clocks_.boot() + std::min<std::chrono::seconds>(token.expires() - now, kLongestSession);
    return Session{std::move(open.key), std::move(open.cookie), std::move(token), expires};
}

Result<FetchResponse> KbsClient::send(FetchRequest request, Step step, Fetcher::Deadline deadline) {
    ATTESTD_TRY(FetchResponse answer, fetcher_->fetch(request, deadline));
    if (auto good = check_answer(answer, step, config_.protocol); !good) {
        retry_after_ = parse_retry_after(answer.header("retry-after"));
        return tl::make_unexpected(std::move(good).error());
    }
    return answer;
}

Result<SecretFetchResponse> KbsClient::send_secret(const FetchRequest& request, Step step,
                                                   Fetcher::Deadline deadline) {
    ATTESTD_TRY(SecretFetchResponse answer, fetcher_->fetch_secret(request, deadline));
    if (auto good = check_answer(answer, step, config_.protocol); !good) {
        retry_after_ = parse_retry_after(answer.header("retry-after"));
        return tl::make_unexpected(std::move(good).error());
    }
    return answer;
}

}  // namespace attestd::kbs
