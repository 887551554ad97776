// Run-time events of workloads: POST /v1/events measures one, GET /v1/events gives the log.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/api/routes.h"
#include "agent/caller/inspection.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr std::string_view kPostEvent = "POST /v1/events";
constexpr std::string_view kGetEvents = "GET /v1/events";

struct EventRequest {
    std::string operation, content;
};

Result<EventRequest> parse_event_request(ByteView body) {
    constexpr JsonLimits kEventLimits{8192, /*max_depth=*/2};
    EventRequest out;
    ATTESTD_TRY(const auto document, JsonDocument::parse(as_text(body), "request", kEventLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue operation, in.required("operation"));
    ATTESTD_TRY(out.operation, operation.text());
    if (const auto content = in.optional("content")) {
        ATTESTD_TRY(out.content, content->text());
    }
    ATTESTD_CHECK(in.finish());
    ATTESTD_CHECK(check_runtime_event({"workload", out.operation, out.content}));
    return out;
}

std::string event_json(const RuntimeEvent& event) {
    const nlohmann::ordered_json out{{"register", "rtmr3"},
                                     {"domain", event.domain},
                                     {"operation", event.operation},
                                     {"content", event.content},
                                     {"digest", to_hex(runtime_event_digest(event))}};
    return out.dump();
}

Response event_refusal(Errc code) { return problem(code, errc_meaning(code)); }

}  // namespace

Task<Result<RuntimeEvent>> Routes::measure_event(Connection& connection, std::string_view method,
                                                 std::string operation, std::string content) {
    const Asker asker = connection.asker();
    const auto refuse = [&](const Error& error) {
        deny(agent_, asker, method, "", error);
        return tl::make_unexpected(error);
    };
    if (const auto same = co_await check_peer_again(agent_.policy, asker.peer); !same)
        co_return refuse(same.error());
    const PolicyPtr policy = agent_.policy;
    const auto matched = match_workloads(*policy, asker.peer.caller());
    const auto granted = std::find_if(matched.begin(), matched.end(),
                                      [&](std::uint32_t i) { return policy->workloads[i].events; });
    if (granted == matched.end()) {
        const Error none{Errc::not_allowed, "events are not granted to this caller"};
        co_return refuse(none);
    }
    const Workload& workload = policy->workloads[*granted];
    const uid_t uid = asker.peer.caller().peer.uid;
    const auto within = agent_.limiter.quote(uid, workload.id, policy->limits, BootClock::now());
    if (!within) co_return refuse(within.error());

    // Recorded first: what is measured cannot be taken back.
    const std::vector<std::string_view> ids{workload.id};
    AuditEvent event;
    event.decision = Decision::allow;
    event.method = method;
    event.object = operation;
    event.connection = asker.connection;
    event.caller = &asker.peer.caller();
    event.workloads = &ids;
    event.policy = &policy->digest;
    const auto written = co_await agent_.audit->record(event, asker.audit_text);
    if (!written) co_return tl::make_unexpected(written.error());
    auto measured =
        co_await agent_.events.record(workload.id, std::move(operation), std::move(content));
    if (!measured) co_return refuse(measured.error());
    co_return measured;
}

Task<Response> Routes::post_event(Connection& connection, const Request& request) {
    auto wanted = parse_event_request(request.body);
    if (!wanted) co_return problem(wanted.error());
    const auto measured = co_await measure_event(
        connection, kPostEvent, std::move(wanted->operation), std::move(wanted->content));
    if (!measured) co_return event_refusal(measured.error().code);
    co_return json_response(event_json(*measured));
}

// For whoever may have evidence: the log belongs to it.
Task<Response> Routes::get_events(Connection& connection) {
    const Asker asker = connection.asker();
    const auto refuse = [&](const Error& error) {
        deny(agent_, asker, kGetEvents, "", error);
        return event_refusal(error.code);
    };
    if (const auto same = co_await check_peer_again(agent_.policy, asker.peer); !same)
        co_return refuse(same.error());
    if (match_workloads(*agent_.policy, asker.peer.caller()).empty()) {
        const Error nobody{Errc::caller_unknown, "no workload matches"};
        co_return refuse(nobody);
    }
    const auto log = co_await agent_.events.log();
    if (!log) co_return event_refusal(log.error().code);
    Response out;
    out.content_type = "application/octet-stream";
    out.body = std::string(as_text(*log));
    co_return out;
}

}  // namespace attestd
