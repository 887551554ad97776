// The admin socket's routes about policy: what would be released and why, and what another
// configuration would change. Both only tell; nothing is released or applied here.
#include <limits>
#include <nlohmann/json.hpp>

#include "agent/api/routes.h"
#include "agent/release/difference.h"
#include "agent/release/explain.h"
#include "agent/release/process_facts.h"
#include "config/loader.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

using nlohmann::ordered_json;

constexpr JsonLimits kPolicyRequestLimits{8192, /*max_depth=*/2};

struct ExplainRequest {
    pid_t pid = 0;
    std::string secret;
    std::string listener;  // empty: that of the pid's connection, else the most favourable one
};

Result<ExplainRequest> parse_explain_request(ByteView body) {
    ExplainRequest out;
    ATTESTD_TRY(const auto document,
                JsonDocument::parse(as_text(body), "request", kPolicyRequestLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue pid, in.required("pid"));
    ATTESTD_TRY(const std::int64_t number, pid.integer(1, std::numeric_limits<pid_t>::max()));
    out.pid = static_cast<pid_t>(number);
    ATTESTD_TRY(const JsonValue secret, in.required("secret"));
    ATTESTD_TRY(out.secret, secret.text());
    if (const auto listener = in.optional("listener")) {
        ATTESTD_TRY(out.listener, listener->text());
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

// {"config": "/etc/attestd/attestd.json.new"}
Result<std::filesystem::path> parse_check_request(ByteView body) {
    ATTESTD_TRY(const auto document,
                JsonDocument::parse(as_text(body), "request", kPolicyRequestLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue config, in.required("config"));
    ATTESTD_TRY(const std::string text, config.text());
    ATTESTD_CHECK(in.finish());
    std::filesystem::path path(text);
    if (path.is_absolute()) return path;
    return config.fail_here(Errc::bad_value, "an absolute path is expected");
}

// Whom the explanation is about, and how its listener is known.
struct Subject {
    Caller caller;
    std::string_view listener_from;
};

std::optional<Subject> connected_subject(const Server& server, const ExplainRequest& wanted) {
    std::optional<Subject> out;
    server.for_each([&](const Connection& connection) {
        const Caller& caller = connection.peer().caller();
        const bool is_it = caller.peer.pid == wanted.pid &&
                           connection.listener().kind == ListenerKind::workloads &&
                           (wanted.listener.empty() || caller.socket == wanted.listener);
        if (is_it && connection.is_open()) out = Subject{caller, "connection"};
    });
    return out;
}

// Without a connection it is not known which listener the process would use: the one by which it
// would come farthest is taken.
Result<Subject> unconnected_subject(const Agent& agent, const ExplainRequest& wanted) {
    ATTESTD_TRY(Caller caller, facts_of_process(running_kernel(), wanted.pid, wanted.listener,
                                                agent.policy->identity));
    if (!wanted.listener.empty()) return Subject{std::move(caller), "given"};
    std::optional<Caller> best;
    for (const ListenerConfig& listener : agent.policy->listeners) {
        if (listener.kind != ListenerKind::workloads) continue;
        caller.socket = listener.name;
        const auto indices = match_workloads(*agent.policy, caller);
        const bool may = permit(*agent.policy, indices, wanted.secret).has_value();
        if (!best || may) best = caller;
        if (may) break;
    }
    return Subject{best.value_or(caller), "assumed"};
}

ordered_json session_of(const Agent& agent, BootTime now) {
    ordered_json out;
    const auto session = agent.session.current(now);
    const auto seconds = [](BootClock::duration d) {
        return std::chrono::duration_cast<std::chrono::seconds>(d).count();
    };
    out["affirming"] = session.has_value();
    out["last_attempt"] = outcome_name(agent.session.status().last);
    if (session) {
        out["verifier"] = session->verifier;
        out["grade"] = grade_name(session->result.grade());
        out["age"] = seconds(now - session->asked);
        out["expires_in"] = seconds(session->expires - now);
    }
    if (!agent.session.status().last_error.empty())
        out["last_error"] = agent.session.status().last_error;
    return out;
}

std::string dumped_text(const ordered_json& json) {
    return json.dump(-1, ' ', /*ensure_ascii=*/true, ordered_json::error_handler_t::replace);
}

}  // namespace

Response Routes::explain_release(const Request& request) const {
    const auto wanted = request.secret_body.expose(parse_explain_request);
    if (!wanted) return problem(wanted.error());
    auto connected = connected_subject(*server_, *wanted);
    auto subject =
        connected ? Result<Subject>(*std::move(connected)) : unconnected_subject(agent_, *wanted);
    if (!subject) return problem(subject.error());
    const BootTime now = BootClock::now();
    ordered_json out =
        explain(*agent_.policy, subject->caller, wanted->secret, agent_.session.current(now), now);
    out["caller"]["listener_from"] = subject->listener_from;
    out["session"] = session_of(agent_, now);
    out["config_sha256"] = to_hex(agent_.policy->digest);
    return json_response(dumped_text(out));
}

Response Routes::check_candidate(const Request& request) const {
    const auto path = request.secret_body.expose(parse_check_request);
    if (!path) return problem(path.error());
    const auto candidate = load_config(*path);
    if (!candidate) return problem(candidate.error());
    const BootTime now = BootClock::now();
    std::vector<const Caller*> callers;
    server_->for_each([&](const Connection& connection) {
        if (connection.listener().kind == ListenerKind::workloads)
            callers.push_back(&connection.peer().caller());
    });
    const auto taken = agent_.accept(*candidate);
    ordered_json out;
    out["would_load"] = taken.has_value();
    if (!taken) out["why_not"] = to_string(taken.error());
    out["sha256"] = to_hex(candidate->digest);
    out["same"] = candidate->digest == agent_.policy->digest;
    out["new_session"] = !(candidate->verifier == agent_.policy->verifier);
    out.update(difference(*agent_.policy, *candidate, callers, agent_.session.current(now), now));
    return json_response(dumped_text(out));
}

}  // namespace attestd
