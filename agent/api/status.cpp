#include "agent/api/status.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/api/source_status.h"
#include "agent/clock.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

using nlohmann::ordered_json;

std::string_view memory_name(SecretMemory memory) noexcept {
    switch (memory) {
        case SecretMemory::memfd_secret:
            return "memfd_secret";
        case SecretMemory::locked:
            return "locked";
        case SecretMemory::unlocked:
            break;
    }
    return "unlocked";
}

std::int64_t seconds_left(BootTime until) {
    return std::chrono::duration_cast<std::chrono::seconds>(until - BootClock::now()).count();
}

ordered_json findings_json(const AttestationResult& result) {
    ordered_json out = ordered_json::array();
    for (const Finding& finding : result.findings()) {
        out.push_back({{"id", finding.id},
                       {"severity", severity_name(finding.severity)},
                       {"detail", finding.detail}});
    }
    return out;
}

ordered_json session_json(const Agent& agent) {
    const Session::Status& status = agent.session.status();
    ordered_json out;
    const auto affirmation = agent.affirmation();
    out["affirming"] = affirmation.has_value();
    out["epoch"] = agent.session.epoch();
    if (affirmation) {
        const AttestationResult& result = affirmation->result.result();
        out["grade"] = grade_name(result.grade());
        out["tee"] = tee_name(result.tee());
        out["format"] = result.format();
        out["verified_at"] = to_rfc3339(result.verified_at());
        out["expires_in"] = seconds_left(affirmation->expires);
        out["evidence_sha256"] = to_hex(result.evidence_digest());
    }
    out["last_attempt"] = outcome_name(status.last);
    if (status.last_success) out["last_success"] = to_rfc3339(*status.last_success);
    if (status.last_failure) out["last_failure"] = to_rfc3339(*status.last_failure);
    out["next_try"] = to_rfc3339(wall_time_of(agent.session.next_attempt()));
    if (!status.last_error.empty()) out["last_error"] = status.last_error;
    if (status.last_result) out["findings"] = findings_json(*status.last_result);
    return out;
}

ordered_json secrets_json(const Agent& agent, const Caller& caller) {
    ordered_json out = ordered_json::array();
    const auto workloads = match_workloads(*agent.policy, caller);
    for (const auto& [name, secret] : agent.policy->secrets) {
        if (!permit(*agent.policy, workloads, name)) continue;
        out.push_back({{"name", name},
                       {"source", secret.source},
                       {"protection", protection_name(protection_of(*agent.policy, secret))},
                       {"rests_on", rests_on(agent, secret)},
                       {"test", secret.test}});
    }
    return out;
}

ordered_json warnings_json(const Agent& agent) {
    ordered_json out = ordered_json::array();
    const Config& policy = *agent.policy;
    if (policy.config_binding == ConfigBinding::none) {
        out.push_back(
            "config_binding is \"none\": whoever writes the disk decides who gets which secret");
    }
    if (const auto bound = agent.check_bound(); !bound && agent.session.status().last_result)
        out.push_back(bound.error().detail + ": nothing is released");
    for (const auto& [name, broker] : policy.brokers) {
        if (broker.discover_token_signer)
            out.push_back("source " + name +
                          " takes tokens of any signer: TLS alone says who judged the evidence");
    }
    for (const auto& [name, sealed] : policy.sealed_sources) {
        if (sealed.unbound)
            out.push_back("source " + name +
                          " is \"unbound\": whoever delivers sealed secrets can exchange them");
    }
    if (policy.verifier.keys_by_tls_alone())
        out.push_back("the verifier's tokens count by keys that TLS alone vouches for");
    if (policy.is_test_setup())
        out.push_back("trust anchors were added: results that rest on them are test grade");
    if (secret_memory() == SecretMemory::unlocked)
        out.push_back("secrets may reach swap: RLIMIT_MEMLOCK is too small");
    if (agent.events.status().state == EventsState::lost)
        out.push_back("RTMR3 cannot be explained by the log of run-time events any more");
    if (!agent.audit->is_good())
        out.push_back("the audit log cannot be written: nothing is released");
    return out;
}

// What did not come is asked for again when an appraisal lacks it.
ordered_json collateral_json(const Agent& agent) {
    const CollateralRefresher::Status& state = agent.collateral.status();
    ordered_json out{{"fetched", state.num_fetched}, {"failed", state.num_failed}};
    if (state.last_success) out["last_success"] = to_rfc3339(*state.last_success);
    if (state.last_failure) out["last_failure"] = to_rfc3339(*state.last_failure);
    if (state.last_error.empty()) return out;
    out["last_error"] = state.last_error;
    out["next_try"] =
        to_rfc3339(wall_time_of(std::max(agent.session.next_attempt(), state.held_until)));
    return out;
}

}  // namespace

std::string status_json(const Agent& agent, const Caller& caller) {
    ordered_json out;
    out["platform"] = agent.session.platform_name();
    out["verifier"] = agent.session.verifier_name();
    out["session"] = session_json(agent);
    out["identity_level"] = identity_level_name(caller.level);
    out["secret_memory"] = memory_name(secret_memory());
    out["config"] = {{"sha256", to_hex(agent.policy->digest)},
                     {"sha384", to_hex(agent.policy->digest_sha384)},
                     {"binding", config_binding_name(agent.policy->config_binding)},
                     {"bound", agent.policy->config_binding != ConfigBinding::none &&
                                   agent.check_bound().has_value()}};
    out["collateral"] = collateral_json(agent);
    const EventsStatus& events = agent.events.status();
    out["events"] = {{"state", events_state_name(events.state)}, {"count", events.num_events}};
    if (!events.detail.empty()) out["events"]["detail"] = events.detail;
    out["sources"] = sources_json(agent);
    out["rollback"] = "undetected";
    ordered_json you;
    you["uid"] = caller.peer.uid;
    you["socket"] = caller.socket;
    if (!caller.cgroup.unit.empty()) you["unit"] = caller.cgroup.unit;
    you["workloads"] = ordered_json::array();
    for (const auto id : workload_ids(*agent.policy, match_workloads(*agent.policy, caller))) {
        you["workloads"].push_back(id);
    }
    you["secrets"] = secrets_json(agent, caller);
    out["you"] = std::move(you);
    out["warnings"] = warnings_json(agent);
    return out.dump(-1, ' ', /*ensure_ascii=*/true, ordered_json::error_handler_t::replace);
}

std::string unhealthy_because(const Agent& agent) {
    if (!agent.audit->is_good()) return "the audit log cannot be written";
    if (!agent.affirmation()) {
        const std::string& why = agent.session.status().last_error;
        return "no affirming attestation result" + (why.empty() ? std::string() : ": " + why);
    }
    if (const auto bound = agent.check_bound(); !bound) return bound.error().detail;
    for (const auto& [name, state] : agent.vault.states()) {
        if (!state.is_open) return "source " + name + ": " + state.error;
    }
    return {};
}

std::string sessions_json(const Agent& agent, const Server& server) {
    ordered_json out;
    out["session"] = session_json(agent);
    out["connections"] = ordered_json::array();
    const auto now = Connection::Clock::now();
    server.for_each([&](const Connection& connection) {
        const Caller& caller = connection.peer().caller();
        ordered_json one;
        one["id"] = connection.id();
        one["socket"] = caller.socket;
        one["pid"] = caller.peer.pid;
        one["uid"] = caller.peer.uid;
        if (!caller.cgroup.unit.empty()) one["unit"] = caller.cgroup.unit;
        if (!caller.cgroup.container_id.empty()) one["container_id"] = caller.cgroup.container_id;
        one["workloads"] = ordered_json::array();
        for (const auto id : workload_ids(*agent.policy, match_workloads(*agent.policy, caller))) {
            one["workloads"].push_back(id);
        }
        one["requests"] = connection.num_requests();
        one["age"] =
            std::chrono::duration_cast<std::chrono::seconds>(now - connection.opened()).count();
        out["connections"].push_back(std::move(one));
    });
    return out.dump(-1, ' ', /*ensure_ascii=*/true, ordered_json::error_handler_t::replace);
}

std::string metrics_text(const Agent& agent, const Server& server) {
    fmt::memory_buffer text;
    const auto out = std::back_inserter(text);
    const auto put = [&](std::string_view name, std::string_view type, std::string_view help,
                         std::uint64_t value) {
        fmt::format_to(out, "# HELP attestd_{0} {2}\n# TYPE attestd_{0} {1}\nattestd_{0} {3}\n",
                       name, type, help, value);
    };
    const Metrics& m = agent.metrics;
    const Session::Status& s = agent.session.status();
    put("requests_total", "counter", "Requests answered.", m.requests);
    put("releases_total", "counter", "Secrets released.", m.releases);
    put("evidence_total", "counter", "Evidence given to workloads.", m.evidence);
    put("tokens_total", "counter", "Tokens given to workloads, with their key or without.",
        m.tokens);
    put("connections_total", "counter", "Connections accepted.", m.connections);
    put("connections_refused_total", "counter", "Connections refused.", m.connections_refused);
    put("connections", "gauge", "Connections open now.", server.num_connections());
    put("session_affirming", "gauge", "1 while an affirming result holds.",
        agent.affirmation() ? 1 : 0);
    put("session_epoch", "counter", "Changes of the session's result.", agent.session.epoch());
    put("session_attempts_total", "counter", "Attempts to renew the session.", s.num_attempts);
    put("session_refused_total", "counter", "Attempts that ended in a refusal.", s.num_refused);
    put("session_unreachable_total", "counter", "Attempts that reached no conclusion.",
        s.num_unreachable);
    put("audit_records_total", "counter", "Records in the audit chain.",
        agent.audit->num_records());
    put("audit_good", "gauge", "1 while the audit log can be written.",
        agent.audit->is_good() ? 1 : 0);
    put("secrets_cached", "gauge", "Secrets held in memory.", agent.vault.num_cached());
    put("reloads_total", "counter", "Configurations taken over.", m.reloads);
    put("reloads_failed_total", "counter", "Configurations refused.", m.reloads_failed);
    put_source_metrics(text, agent);
    put_expiry_metrics(text, agent);
    fmt::format_to(out,
                   "# HELP attestd_denials_total Requests denied, by code.\n# TYPE "
                   "attestd_denials_total counter\n");
    for (const auto& [code, count] : m.denials) {
        fmt::format_to(out, "attestd_denials_total{{code=\"{}\"}} {}\n", errc_name(code), count);
    }
    return fmt::to_string(text);
}

}  // namespace attestd
