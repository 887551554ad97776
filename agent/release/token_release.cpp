// The way of a token about this machine, and of its key: as of a secret (release.h). Never the one
// that a source logs in with: configuration refuses to grant such a one.
#include <algorithm>

#include "agent/caller/inspection.h"
#include "agent/release/release.h"
#include "agent/remote/token.h"
#include "quote/jose/jws.h"

namespace attestd {
namespace {

// How often a renewal or reload may overtake it before the caller is told to come again.
constexpr int kMaxTokenTries = 3;
constexpr JsonLimits kGivenClaimLimits{.max_len = std::size_t{1} << 19, .max_depth = 32};

Result<Grant> judge_wish(Agent& agent, const Asker& asker, const TokenWish& wish) {
    ATTESTD_CHECK(asker.peer.recheck(agent.policy->identity));
    const BootTime now = BootClock::now();
    return decide_token(agent.policy, asker.peer.caller(), wish, agent.session.current(now), now);
}

// The session's token, of the result that the grant rests on.
Result<GivenToken> verifiers_token(const Session& session) {
    const auto token = session.token(BootClock::now());
    const Time now = wall_now();
    if (token == nullptr || token->expires <= now)
        return fail(Errc::identity_unavailable, "the verifier has given no token that is valid");
    ATTESTD_TRY(Secret text, token->text.clone());
    return GivenToken{std::move(text), std::nullopt, BootClock::now() + (token->expires - now)};
}

// A token that is for somebody else by its own word is of no use, and perhaps of harm.
Result<void> check_given(const Secret& text, const std::string& audience) {
    return text.expose([&](ByteView bytes) -> Result<void> {
        ATTESTD_TRY(const Jws token, Jws::parse(as_text(bytes)));
        ATTESTD_TRY(const auto document,
                    JsonDocument::parse(as_text(token.payload()), "token", kGivenClaimLimits));
        ATTESTD_TRY(JsonObject claims, document.root().object());
        if (!claims.optional("aud")) return {};
        return remote::check_audience(claims, audience);
    });
}

Task<Result<GivenToken>> obtain(Agent& agent, Grant grant, TokenWish wish, KeyExport key) {
    Result<GivenToken> given = fail(Errc::identity_unavailable, "");
    if (grant.secret().source.empty())
        given = verifiers_token(agent.session);
    else
        given = co_await agent.vault.give_token(std::move(grant), key);
    if (!given || wish.audience.empty()) co_return given;
    if (auto good = check_given(given->text, wish.audience); !good)
        co_return tl::make_unexpected(std::move(good).error());
    co_return given;
}

Task<Result<void>> record_token(Agent& agent, const Asker& asker, const Grant& grant,
                                const GivenToken& given, const TokenWish& wish) {
    const auto ids = workload_ids(grant.policy(), grant.workloads());
    const auto session = agent.affirmation();
    AuditEvent event;
    event.decision = Decision::allow;
    event.method = given.key_pem ? kKeyExportMethod : kTokenMethod;
    event.object = grant.secret().name;
    event.detail = wish.audience;
    event.connection = asker.connection;
    event.caller = &asker.peer.caller();
    event.workloads = &ids;
    event.policy = &grant.policy().digest;
    if (session) event.evidence = &session->result.result().evidence_digest();
    event.epoch = grant.epoch();
    event.latency = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - asker.asked);
    co_return co_await agent.audit->record(event, asker.audit_text);
}

// A step of what follows: an error is recorded, and ends it.
Task<Result<ReleasedToken>> give_once(Agent& agent, const Asker& asker, TokenWish wish,
                                      KeyExport key) {
    ATTESTD_CO_CHECK(co_await reinspect_peer(agent.policy, asker.peer));
    auto grant = judge_wish(agent, asker, wish);
    if (!grant) co_return tl::make_unexpected(std::move(grant).error());
    const Workload& speaker = grant->policy().workloads.at(grant->workloads().front());
    const auto within = agent.limiter.quote(asker.peer.caller().peer.uid, speaker.id,
                                            grant->policy().limits, BootClock::now());
    if (!within) co_return tl::make_unexpected(within.error());
    const bool with_key =
        key == KeyExport::yes && speaker.export_key && !grant->secret().source.empty();
    auto given = co_await obtain(agent, *grant, wish, with_key ? KeyExport::yes : KeyExport::no);
    if (!given) co_return tl::make_unexpected(std::move(given).error());
    // That took its time: the same process still?
    ATTESTD_CO_CHECK(asker.peer.recheck(agent.policy->identity));
    if (agent.holds(*grant)) {
        const auto recorded = co_await record_token(agent, asker, *grant, *given, wish);
        if (!recorded) co_return tl::make_unexpected(recorded.error());
    }
    co_return ReleasedToken(*std::move(given), *std::move(grant));
}

}  // namespace

Task<Result<ReleasedToken>> release_token(Agent& agent, const Asker& asker, TokenWish wish,
                                          KeyExport key) {
    Error last{Errc::grant_expired, "session or policy changed again and again"};
    for (int i = 0; i < kMaxTokenTries; ++i) {
        auto released = co_await give_once(agent, asker, wish, key);
        if (!released) {
            last = std::move(released).error();
            break;
        }
        if (!agent.holds(released->grant)) continue;
        ++agent.metrics.tokens;
        co_return released;
    }
    deny(agent, asker, asker.method, wish.audience.empty() ? wish.issuer : wish.audience, last);
    if (last.code == Errc::secret_unavailable) note_failure(agent, asker.peer.caller());
    co_return tl::make_unexpected(std::move(last));
}

}  // namespace attestd
