#include "agent/release/release.h"

#include "agent/caller/inspection.h"
#include "agent/log.h"

namespace attestd {
namespace {

// How often a grant may be overtaken by a renewal or reload before the caller is told to come
// again.
constexpr int kMaxTries = 3;

std::chrono::microseconds since(std::chrono::steady_clock::time_point then) {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() -
                                                                 then);
}

Result<Grant> judge(Agent& agent, const Asker& asker, std::string_view name) {
    ATTESTD_CHECK(asker.peer.recheck(agent.policy->identity));
    const BootTime now = BootClock::now();
    return decide(agent.policy, asker.peer.caller(), name, agent.session.current(now), now);
}

AuditEvent event_of(const Asker& asker, const Grant& grant,
                    const std::vector<std::string_view>& ids,
                    const std::optional<Affirmation>& session) {
    AuditEvent event;
    event.decision = Decision::allow;
    event.method = asker.method;
    event.object = grant.secret().name;
    event.connection = asker.connection;
    event.caller = &asker.peer.caller();
    event.workloads = &ids;
    event.policy = &grant.policy().digest;
    if (session) event.evidence = &session->result.result().evidence_digest();
    event.epoch = grant.epoch();
    return event;
}

// The grant keeps its policy alive, so the views into it are good until the record is made.
Task<Result<void>> record(Agent& agent, const Asker& asker, const Released& released) {
    const Grant& grant = released.grant;
    const auto ids = workload_ids(grant.policy(), grant.workloads());
    const auto session = agent.affirmation();
    AuditEvent event = event_of(asker, grant, ids, session);
    event.reason = released.is_known ? "not-modified" : "";
    event.latency = since(asker.asked);
    co_return co_await agent.audit->record(event, asker.audit_text);
}

}  // namespace

std::chrono::seconds keep_for(const Grant& grant, const std::optional<BootTime>& source_ends,
                              BootTime now) {
    const auto& ttl = grant.secret().ttl;
    const BootTime end = std::min(grant.expires(), source_ends.value_or(BootTime::max()));
    const auto left = ttl ? BootClock::duration(*ttl) : std::max(end - now, BootClock::duration());
    return std::chrono::floor<std::chrono::seconds>(left);
}

std::vector<std::string_view> workload_ids(const Config& policy,
                                           const std::vector<std::uint32_t>& indices) {
    std::vector<std::string_view> out;
    out.reserve(indices.size());
    for (const std::uint32_t index : indices) out.push_back(policy.workloads.at(index).id);
    return out;
}

std::string release_members(const Agent& agent, const Asker& asker, const Grant& grant) {
    const auto ids = workload_ids(grant.policy(), grant.workloads());
    const auto session = agent.affirmation();
    return line_members(event_of(asker, grant, ids, session), asker.audit_text);
}

void deny(Agent& agent, const Asker& asker, std::string_view method, std::string_view object,
          const Error& error) {
    AuditEvent event;
    event.method = method;
    event.object = object;
    event.reason = errc_name(error.code);
    event.detail = error.detail;
    event.connection = asker.connection;
    event.caller = &asker.peer.caller();
    event.policy = &agent.policy->digest;
    event.latency = since(asker.asked);
    // Only root starts units: each refused one has its record.
    if (asker.peer.caller().for_unit) {
        agent.audit->note_event(event, asker.audit_text);
    } else {
        agent.audit->note_denial(event, asker.audit_text);
    }
    ++agent.metrics.denials[error.code];
}

void note_failure(Agent& agent, const Caller& caller) {
    // systemd asks for each unit, and must not be locked out for one of them.
    if (caller.for_unit) return;
    if (!agent.limiter.failure(caller, agent.policy->limits, BootClock::now())) return;
    log_event(LogLevel::warn, "caller.locked-out",
              {{"uid", std::to_string(caller.peer.uid)},
               {"unit", caller.cgroup.unit},
               {"socket", caller.socket}});
}

Task<Result<Released>> release(Agent& agent, const Asker& asker, std::string name,
                               std::optional<std::uint64_t> known) {
    for (int i = 0; i < kMaxTries; ++i) {
        const auto same = co_await reinspect_peer(agent.policy, asker.peer);
        auto grant =
            same ? judge(agent, asker, name) : Result<Grant>(tl::make_unexpected(same.error()));
        if (!grant) {
            deny(agent, asker, asker.method, name, explained(grant.error(), asker.peer.caller()));
            if (grant.error().code == Errc::secret_unavailable)
                note_failure(agent, asker.peer.caller());
            co_return tl::make_unexpected(std::move(grant).error());
        }
        auto secret = co_await agent.vault.get(*grant);
        if (!secret) {
            deny(agent, asker, asker.method, name, secret.error());
            co_return tl::make_unexpected(std::move(secret).error());
        }
        const bool is_known = known == secret->version;
        Released released{*std::move(secret), *std::move(grant), is_known};
        if (auto recorded = co_await record(agent, asker, released); !recorded) {
            ++agent.metrics.denials[recorded.error().code];
            co_return tl::make_unexpected(std::move(recorded).error());
        }
        if (agent.holds(released.grant)) {
            if (!released.is_known) ++agent.metrics.releases;
            co_return std::move(released);
        }
    }
    const Error error{Errc::grant_expired, "session or policy changed again and again"};
    deny(agent, asker, asker.method, name, error);
    co_return tl::make_unexpected(error);
}

}  // namespace attestd
