#include "agent/session.h"

#include <fmt/format.h>

#include <openssl/rand.h>

#include "agent/log.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::size_t kNonceLen = 32;
constexpr std::size_t kMaxCollecting = 16;
constexpr std::size_t kMaxOfOneWorkload = 4;  // so that no workload takes all places
// Timers stand still during suspend, CLOCK_BOOTTIME does not: so no sleep is longer than this.
constexpr auto kLongestSleep = std::chrono::seconds(15);

using std::chrono::duration_cast;

std::string first_error(const AttestationResult& result) {
    for (const Finding& finding : result.findings()) {
        if (finding.severity == Severity::error)
            return fmt::format("{}: {}", finding.id, finding.detail);
    }
    return "the verifier gave no reason";
}

Result<ByteArray<kNonceLen>> fresh_nonce() {
    ByteArray<kNonceLen> nonce{};
    if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1)
        return fail_crypto("RAND_bytes");
    return nonce;
}

}  // namespace

struct Session::Attempt {
    Result<AttestationResult> result;
    std::vector<EndorsementId> wanted;
    std::shared_ptr<const VerifierToken> token;
    kbs::TeeKind kind;
    Time wall;  // at which it was appraised
};

Session::Session(Io& io, Strand strand, Platform& platform, std::shared_ptr<VerifierKind> verifier,
                 Millis max_age, Millis collect_timeout)
    : io_(io),
      strand_(std::move(strand)),
      verifier_strand_(strand_.get_inner_executor()),
      platform_(platform),
      verifier_(std::move(verifier)),
      max_age_(max_age),
      collect_timeout_(collect_timeout),
      wake_(io),
      platform_free_(io.get_executor()),
      random_(std::random_device()()) {}

double Session::jitter() { return std::uniform_real_distribution<double>(0, 1)(random_); }

std::optional<Affirmation> Session::current(BootTime now) const {
    const auto* held = renewal_.current(now);
    if (held == nullptr) return std::nullopt;
    return Affirmation{held->key, held->epoch, held->expires, held->asked, verifier_->name()};
}

std::shared_ptr<const VerifierToken> Session::token(BootTime now) const {
    return renewal_.current(now) != nullptr ? token_ : nullptr;
}

std::optional<kbs::TeeKind> Session::tee_kind(BootTime now) const {
    return renewal_.current(now) != nullptr ? tee_kind_ : std::nullopt;
}

void Session::ended() {
    token_.reset();
    hooks_.on_end();
}

Task<void> Session::run() {
    while (!stopped_) {
        drop_expired();
        if (renewal_.is_due(BootClock::now())) co_await attempt();
        if (stopped_) break;
        const BootTime now = BootClock::now();
        // Whatever is due already lies at no distance: BootTime::min() is too far to subtract from.
        const BootTime next = std::max(renewal_.next_event(), now);
        wake_.expires_after(std::min<BootClock::duration>(next - now, kLongestSleep));
        co_await wait_for(wake_);
    }
}

void Session::stop() {
    stopped_ = true;
    token_.reset();
    wake_.cancel();
    platform_free_.notify_all();
}

void Session::renew_now() {
    renewal_.renew_now();
    wake_.cancel();
}

void Session::endorsements_came() {
    if (status_.last != AttemptOutcome::affirmed) renew_now();
}

void Session::set_freshness(std::optional<Millis> fresh) {
    const bool is_stricter = fresh && (!fresh_ || *fresh < *fresh_);
    fresh_ = fresh;
    if (is_stricter && status_.last != AttemptOutcome::none) renew_now();
}

void Session::replace_verifier(std::shared_ptr<VerifierKind> verifier, Millis max_age) {
    verifier_ = std::move(verifier);
    max_age_ = max_age;
    ++generation_;
    renewal_.refused(BootClock::now(), jitter());
    ended();
    hooks_.on_change();
    renew_now();
}

Task<void> Session::attempt() {
    const BootTime asked = BootClock::now();
    ++status_.num_attempts;
    const std::uint64_t generation = generation_;
    auto attempted = co_await question_and_answer();
    // A reload brought another verifier meanwhile: what the old one says counts no more.
    if (generation != generation_) co_return renewal_.renew_now();
    settle(std::move(attempted), asked);
}

Task<Result<Session::Attempt>> Session::question_and_answer() {
    // The jobs keep their own hold of the verifier: a reload may replace it meanwhile.
    const std::shared_ptr<VerifierKind> verifier = verifier_;
    auto begin = [verifier]() -> Result<ReportData> {
        ATTESTD_TRY(const auto nonce, fresh_nonce());
        return verifier->begin(nonce);
    };
    Result<ReportData> report_data = ReportData{};
    if (verifier->has_challenge())
        report_data = co_await run_blocking(verifier_strand_, std::move(begin));
    else
        report_data = begin();
    if (!report_data) co_return tl::make_unexpected(report_data.error());
    auto collect = [&platform = platform_, timeout = collect_timeout_, data = *report_data] {
        return platform.collect(data, std::chrono::steady_clock::now() + timeout);
    };
    // At most one request of a workload is on the strand before this; the others stand back.
    is_renewing_ = true;
    auto evidence = co_await run_blocking(strand_, std::move(collect));
    is_renewing_ = false;
    platform_free_.notify_all();
    if (!evidence) co_return tl::make_unexpected(std::move(evidence).error());
    auto appraise = [verifier, data = *report_data,
                     evidence = *std::move(evidence)]() -> Result<Attempt> {
        const Time wall = wall_now();
        Expectations expected{data};
        if (!evidence.service_manifest.empty())
            expected.service_manifest = evidence.service_manifest;
        auto result = verifier->appraise(evidence, expected, wall);
        return Attempt{std::move(result), verifier->take_wanted(), verifier->take_token(),
                       kbs::kind_of(evidence), wall};
    };
    co_return co_await run_blocking(verifier_strand_, std::move(appraise));
}

void Session::settle(Result<Attempt> attempted, BootTime asked) {
    const BootTime now = BootClock::now();
    if (!attempted)
        return not_affirmed(AttemptOutcome::unreachable, to_string(attempted.error()), now);
    if (!attempted->wanted.empty()) hooks_.on_wanted(attempted->wanted);
    if (!attempted->result)
        return not_affirmed(AttemptOutcome::unreachable, to_string(attempted->result.error()), now);
    const AttestationResult& result = *attempted->result;
    status_.last_result = result;
    switch (result.verdict()) {
        case Verdict::accepted:
            break;
        // An endorsement is absent: that says nothing about the platform, and asking again may
        // help.
        case Verdict::undecided:
            return not_affirmed(AttemptOutcome::unreachable, first_error(result), now);
        case Verdict::refused:
            return not_affirmed(AttemptOutcome::refused, first_error(result), now);
    }
    auto key = result.affirming();
    if (!key) return not_affirmed(AttemptOutcome::refused, to_string(key.error()), now);
    token_ = stopped_ ? nullptr : std::move(attempted->token);
    tee_kind_ = attempted->kind;
    affirmed(result, asked, *std::move(key));
}

void Session::affirmed(const AttestationResult& result, BootTime asked, AffirmingResult key) {
    using Duration = BootClock::duration;
    // Compared in seconds: an end in another century is no number of nanoseconds.
    const auto stated = key.valid_until() - result.verified_at();
    const Duration life = stated >= std::chrono::ceil<std::chrono::seconds>(max_age_)
                              ? Duration(max_age_)
                              : Duration(stated);
    if (life <= Duration::zero()) {
        return not_affirmed(AttemptOutcome::refused, "the result had expired when it was made",
                            BootClock::now());
    }
    renewal_.affirmed(std::move(key), asked, life, jitter(),
                      fresh_ ? Duration(*fresh_) : Duration::max());
    const bool was_affirmed = status_.last == AttemptOutcome::affirmed;
    status_.last = AttemptOutcome::affirmed;
    status_.last_error.clear();
    status_.last_success = wall_now();
    ++status_.num_affirmed;
    log_event(was_affirmed ? LogLevel::debug : LogLevel::info, "session.affirmed",
              {{"epoch", std::to_string(epoch())},
               {"grade", std::string(grade_name(result.grade()))},
               {"tee", std::string(tee_name(result.tee()))},
               {"life", to_string(duration_cast<Millis>(life))},
               {"evidence", to_hex(result.evidence_digest())}});
    hooks_.on_change();
}

void Session::not_affirmed(AttemptOutcome outcome, std::string why, BootTime now) {
    const bool is_news = status_.last != outcome || status_.last_error != why;
    status_.last = outcome;
    status_.last_error = std::move(why);
    status_.last_failure = wall_now();
    const std::uint64_t before = epoch();
    if (outcome == AttemptOutcome::refused) {
        ++status_.num_refused;
        renewal_.refused(now, jitter());
    } else {
        ++status_.num_unreachable;
        renewal_.unreachable(now, jitter());
    }
    const bool serves = renewal_.current(now) != nullptr;
    if (is_news) {
        log_event(outcome == AttemptOutcome::refused ? LogLevel::error : LogLevel::warn,
                  outcome == AttemptOutcome::refused ? "session.refused" : "session.unreachable",
                  {{"why", status_.last_error},
                   {"effect", serves ? "the earlier result serves until it expires"
                                     : "no secret is released"}});
    }
    if (!serves) ended();
    if (epoch() != before || is_news) hooks_.on_change();
}

void Session::drop_expired() {
    if (!renewal_.expire(BootClock::now())) return;
    log_event(LogLevel::error, "session.expired",
              {{"why", status_.last_error}, {"effect", "no secret is released"}});
    ended();
    hooks_.on_change();
}

// A request for evidence that was not answered yet, and who waits for the same.
struct Session::Collection {
    Collection(Executor home, std::string who, const ReportData& data)
        : workload(std::move(who)), report_data(data), done(home) {}

    [[nodiscard]] bool is_for(std::string_view who, const ReportData& data) const noexcept {
        return workload == who && report_data == data;
    }

    std::string workload;
    ReportData report_data;
    WaitList done;
    std::optional<Result<Evidence>> result;
};

Task<Result<Evidence>> Session::collect(std::string workload, ReportData report_data) {
    std::size_t num_of_workload = 0;
    std::shared_ptr<Collection> same;
    for (const auto& other : collections_) {
        if (other->workload == workload) ++num_of_workload;
        if (other->is_for(workload, report_data)) same = other;
    }
    if (same != nullptr) {
        while (!same->result) co_await same->done.wait();
        co_return *same->result;
    }
    if (collections_.size() >= kMaxCollecting || num_of_workload >= kMaxOfOneWorkload)
        co_return fail(Errc::too_busy, "too many requests for evidence wait already");
    const auto own =
        std::make_shared<Collection>(io_.get_executor(), std::move(workload), report_data);
    collections_.push_back(own);
    auto evidence = co_await take_turn(report_data);
    own->result = std::move(evidence);
    std::erase(collections_, own);
    own->done.notify_all();
    co_return *own->result;
}

Task<Result<Evidence>> Session::take_turn(ReportData report_data) {
    using std::chrono::steady_clock;
    const auto deadline = steady_clock::now() + collect_timeout_;
    Timer alarm(io_);
    alarm.expires_at(deadline);
    alarm.async_wait([this](error_code ec) {
        if (!ec) platform_free_.notify_all();
    });
    const auto must_wait = [this] { return (is_platform_busy_ || is_renewing_) && !stopped_; };
    while (must_wait() && steady_clock::now() < deadline) co_await platform_free_.wait();
    if (stopped_) co_return fail(Errc::unavailable, "attestd is stopping");
    if (must_wait()) {
        co_return fail(Errc::timed_out,
                       "the platform was busy with other requests for as long as one may take");
    }
    is_platform_busy_ = true;
    auto work = [&platform = platform_, report_data, deadline] {
        return platform.collect(report_data, deadline);
    };
    auto evidence = co_await run_blocking(strand_, std::move(work));
    is_platform_busy_ = false;
    platform_free_.notify_all();
    co_return evidence;
}

}  // namespace attestd
