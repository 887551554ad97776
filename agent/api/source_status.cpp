#include "agent/api/source_status.h"

#include <nlohmann/json.hpp>

#include "agent/clock.h"

namespace attestd {
namespace {

using nlohmann::ordered_json;

void put_times(ordered_json& out, const Standing& standing) {
    if (standing.last_success) out["last_success"] = to_rfc3339(*standing.last_success);
    if (standing.last_failure) out["last_failure"] = to_rfc3339(*standing.last_failure);
    if (!standing.last_error.empty()) out["last_error"] = standing.last_error;
}

void put_end(ordered_json& out, const char* name, const std::optional<BootTime>& at) {
    if (at && *at > BootClock::now()) out[name] = to_rfc3339(wall_time_of(*at));
}

ordered_json remote_json(const Vault::RemoteState& state) {
    ordered_json out;
    out["type"] = state.type;
    for (const RemoteCount& count : state.status.counts) out[std::string(count.name)] = count.value;
    if (!state.status.token.empty()) out["token"] = state.status.token;
    put_times(out, state.standing);
    put_end(out, "next_try", state.status.next_try);
    put_end(out, "login_expires", state.status.login_expires);
    put_end(out, "lease_expires", state.status.lease_expires);
    return out;
}

void put_head(fmt::memory_buffer& text, std::string_view name, std::string_view type,
              std::string_view help) {
    fmt::format_to(std::back_inserter(text), "# HELP attestd_{0} {2}\n# TYPE attestd_{0} {1}\n",
                   name, type, help);
}

// The counts that a kind of source has of its own: rows of one metric stand together.
void put_counts(fmt::memory_buffer& text,
                const std::map<std::string, Vault::RemoteState>& remotes) {
    struct Metric {
        std::string_view help;
        std::string rows;
    };
    std::map<std::string, Metric> metrics;
    for (const auto& [name, state] : remotes) {
        for (const RemoteCount& count : state.status.counts) {
            const std::string metric = fmt::format("{}_total", count.metric);
            Metric& one = metrics[metric];
            one.help = count.help;
            one.rows += fmt::format("attestd_{}{{source=\"{}\"}} {}\n", metric, name, count.value);
        }
    }
    for (const auto& [name, metric] : metrics) {
        put_head(text, name, "counter", metric.help);
        text.append(metric.rows);
    }
}

using Standings = std::map<std::string, const Standing*>;

void put_standings(fmt::memory_buffer& text, const Standings& standings) {
    const auto out = std::back_inserter(text);
    put_head(text, "source_reads_total", "counter", "Secrets read, by source.");
    for (const auto& [name, standing] : standings) {
        fmt::format_to(out, "attestd_source_reads_total{{source=\"{}\"}} {}\n", name,
                       standing->num_succeeded);
    }
    put_head(text, "source_failures_total", "counter", "Reads that failed, by source and code.");
    for (const auto& [name, standing] : standings) {
        for (const auto& [code, count] : standing->failures) {
            fmt::format_to(out, "attestd_source_failures_total{{source=\"{}\",code=\"{}\"}} {}\n",
                           name, errc_name(code), count);
        }
    }
}

std::int64_t seconds_of(Time time) { return time.time_since_epoch().count(); }

void put_ends(fmt::memory_buffer& text, const std::map<std::string, Vault::RemoteState>& remotes,
              std::string_view metric, std::string_view help,
              std::optional<BootTime> RemoteStatus::*end) {
    put_head(text, metric, "gauge", help);
    for (const auto& [name, state] : remotes) {
        const auto& at = state.status.*end;
        if (!at || *at <= BootClock::now()) continue;
        fmt::format_to(std::back_inserter(text), "attestd_{}{{source=\"{}\"}} {}\n", metric, name,
                       seconds_of(wall_time_of(*at)));
    }
}

}  // namespace

Time wall_time_of(BootTime at) {
    return wall_now() + std::chrono::round<std::chrono::seconds>(at - BootClock::now());
}

ordered_json sources_json(const Agent& agent) {
    ordered_json out = ordered_json::object();
    for (const auto& [name, state] : agent.vault.states()) {
        out[name] = {{"type", "store"}, {"open", state.is_open}};
        if (!state.error.empty()) out[name]["error"] = state.error;
        put_times(out[name], state.standing);
    }
    for (const auto& [name, state] : agent.vault.remote_states()) out[name] = remote_json(state);
    return out;
}

std::string_view rests_on(const Agent& agent, const SecretPolicy& secret) {
    const Config& policy = *agent.policy;
    if (policy.brokers.contains(secret.source)) return "given by a key broker against evidence";
    if (const auto vault = policy.hashi_vaults.find(secret.source);
        vault != policy.hashi_vaults.end()) {
        return vault->second.login_token == LoginToken::file
                   ? "given by Vault to whoever has the token in the configured file"
                   : "given by Vault to whoever has a token of this machine's attestation";
    }
    if (const auto sealed = policy.sealed_sources.find(secret.source);
        sealed != policy.sealed_sources.end()) {
        return sealed->second.unbound
                   ? "named by whatever signed text is delivered, and given by what that names"
                   : "named by a signed text, and given by what that names";
    }
    if (policy.credentials.contains(secret.source))
        return "given to attestd's unit: worth as much as what encrypts it for this machine";
    const auto store = policy.stores.find(secret.source);
    const bool measured = store != policy.stores.end() && store->second.measured_image;
    if (measured && agent.session.platform_name() == "azure_vtpm")
        return "sealed to the vTPM and what it measured of the boot";
    return measured ? "sealed to the launch measurement" : "sealed; opened by an operator";
}

void put_source_metrics(fmt::memory_buffer& text, const Agent& agent) {
    const auto stores = agent.vault.states();
    const auto remotes = agent.vault.remote_states();
    Standings standings;
    for (const auto& [name, state] : stores) standings.emplace(name, &state.standing);
    for (const auto& [name, state] : remotes) standings.emplace(name, &state.standing);
    if (standings.empty()) return;
    put_standings(text, standings);
    if (remotes.empty()) return;
    put_ends(text, remotes, "source_login_expiry_seconds",
             "When the present login, session or token at a source ends.",
             &RemoteStatus::login_expires);
    put_ends(text, remotes, "source_lease_expiry_seconds", "When the first lease of a source ends.",
             &RemoteStatus::lease_expires);
    put_counts(text, remotes);
}

void put_expiry_metrics(fmt::memory_buffer& text, const Agent& agent) {
    const auto out = std::back_inserter(text);
    if (const auto affirmation = agent.affirmation()) {
        put_head(text, "result_expiry_seconds", "gauge",
                 "When the present attestation result ends.");
        fmt::format_to(out, "attestd_result_expiry_seconds {}\n",
                       seconds_of(wall_time_of(affirmation->expires)));
        put_head(text, "endorsements_expiry_seconds", "gauge",
                 "The earliest end of all that the present attestation result rests on.");
        fmt::format_to(out, "attestd_endorsements_expiry_seconds {}\n",
                       seconds_of(affirmation->result.valid_until()));
    }
    const auto& ends = agent.collateral.status().ends;
    if (ends.empty()) return;
    put_head(text, "collateral_expiry_seconds", "gauge", "When fetched collateral ends.");
    for (const auto& [what, end] : ends) {
        fmt::format_to(out, "attestd_collateral_expiry_seconds{{endorsement=\"{}\"}} {}\n", what,
                       seconds_of(end));
    }
}

}  // namespace attestd
