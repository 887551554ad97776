#include "agent/release/grant.h"

namespace attestd {

Result<Grant> Grant::from(const PolicyPtr& policy, Judgement judgement,
                          const std::optional<Affirmation>& session) {
    const Errc code = errc_of(judgement.reason);
    // Whatever the caller may not know gets one text, as an unknown name does.
    if (judgement.reason != Reason::granted && code == Errc::secret_unavailable)
        return fail(code, "no workload of this caller may have a secret of that name");
    if (judgement.reason != Reason::granted) return fail(code, std::move(judgement.detail));
    Grant grant;
    grant.policy_ = policy;
    grant.secret_ = judgement.secret;
    grant.workloads_ = std::move(judgement.workloads);
    grant.epoch_ = session->epoch;
    grant.expires_ = judgement.expires;
    return grant;
}

Result<Grant> decide(const PolicyPtr& policy, const Caller& caller, std::string_view name,
                     const std::optional<Affirmation>& session, BootTime now) {
    return Grant::from(policy, judge(*policy, match_workloads(*policy, caller), name, session, now),
                       session);
}

Result<Grant> decide_slot(const PolicyPtr& policy, std::string_view store,
                          const std::optional<Affirmation>& session, BootTime now) {
    return Grant::from(policy, judge_slot(*policy, store, session, now), session);
}

Result<Grant> decide_token(const PolicyPtr& policy, const Caller& caller, const TokenWish& wish,
                           const std::optional<Affirmation>& session, BootTime now) {
    return Grant::from(policy,
                       judge_token(*policy, match_workloads(*policy, caller), wish, session, now),
                       session);
}

bool Grant::holds(const PolicyPtr& policy, const std::optional<Affirmation>& session,
                  BootTime now) const noexcept {
    return policy == policy_ && session && session->epoch == epoch_ && now < expires_ &&
           now < session->expires;
}

}  // namespace attestd
