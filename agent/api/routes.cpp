#include "agent/api/routes.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "agent/api/status.h"
#include "agent/caller/inspection.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::string_view kSecrets = "/v1/secrets/";
constexpr std::string_view kBytesType = "application/octet-stream";
constexpr unsigned kRetrySoon = 1;  // seconds

template <class T>
std::optional<T> number(std::string_view text) noexcept {
    T value{};
    const char* const end = text.data() + text.size();
    const auto [after, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || after != end || text.empty()) return std::nullopt;
    return value;
}

// Callers learn the code and its fixed meaning; the detail is for the audit log.
Response refusal(Errc code) {
    Response out = problem_behind(code, errc_meaning(code));
    if (out.status == 429 || out.status == 503) out.retry_after = kRetrySoon;
    return out;
}

Response method_not_allowed() {
    Response out = problem(Errc::not_allowed, "this path does not take this method");
    out.status = 405;
    return out;
}

bool wants_json(std::string_view accept) noexcept {
    return accept.find("application/json") != std::string_view::npos;
}

// {"value":"<base64>","version":N}, built where secrets live.
Result<Secret> as_json(const Secret& secret, std::uint64_t version) {
    constexpr std::string_view kBegin = R"({"value":")";
    const std::string end = fmt::format(R"(","version":{}}})", version);
    const std::size_t base64_len = (secret.size() + 2) / 3 * 4;
    // EVP_EncodeBlock ends with a NUL, over which the end is then written.
    ATTESTD_TRY(Secret out, Secret::zeroed(kBegin.size() + base64_len + end.size()));
    out.fill([&](std::span<std::uint8_t> to) {
        std::copy(kBegin.begin(), kBegin.end(), to.begin());
        secret.expose([&](ByteView from) {
            EVP_EncodeBlock(to.subspan(kBegin.size()).data(), from.data(),
                            static_cast<int>(from.size()));
        });
        std::copy(end.begin(), end.end(), to.end() - static_cast<std::ptrdiff_t>(end.size()));
    });
    return out;
}

Response answer(Released released, std::string_view accept) {
    Response out;
    out.version = released.secret.version;
    out.keep_for = keep_for(released.grant, released.secret.expires, BootClock::now());
    out.grant = std::move(released.grant);
    if (released.is_known) {
        out.status = 304;
        return out;
    }
    out.content_type = kBytesType;
    out.secret = std::move(released.secret.value);
    if (!wants_json(accept)) return out;
    auto json = as_json(*out.secret, *out.version);
    if (!json) return refusal(json.error().code);
    out.content_type = "application/json";
    out.secret = std::make_shared<const Secret>(*std::move(json));
    return out;
}

}  // namespace

std::string_view query_value(std::string_view query, std::string_view key) noexcept {
    while (!query.empty()) {
        const auto end = query.find('&');
        const std::string_view part = query.substr(0, end);
        if (part.starts_with(key) && part.substr(key.size()).starts_with('=')) {
            return part.substr(key.size() + 1);
        }
        if (end == query.npos) break;
        query.remove_prefix(end + 1);
    }
    return {};
}

std::optional<std::uint64_t> known_version(std::string_view if_none_match) noexcept {
    if (if_none_match.size() < 2 || !if_none_match.starts_with('"') ||
        !if_none_match.ends_with('"')) {
        return std::nullopt;
    }
    return number<std::uint64_t>(if_none_match.substr(1, if_none_match.size() - 2));
}

Result<void> Routes::within_limits(Connection& connection, const Request& request) {
    const Caller& caller = connection.peer().caller();
    const BootTime now = BootClock::now();
    ATTESTD_CHECK(agent_.limiter.request(caller.peer.uid, connection.workloads(),
                                         agent_.policy->limits, now));
    // Who guessed names too often still learns whether attestd is well.
    const bool is_by_policy = connection.listener().kind == ListenerKind::coco ||
                              request.path.starts_with(kSecrets) ||
                              request.path == "/v1/evidence" || request.path == "/v1/events" ||
                              request.path == "/v1/token";
    return is_by_policy ? agent_.limiter.check_lock(caller, now) : Result<void>();
}

AtOnce Routes::try_at_once(Connection& connection, const Request& request, Response& refusal_now) {
    const ReadyRelease* const ready = connection.ready();
    if (ready == nullptr || !agent_.audit->takes_turns()) return AtOnce::no;
    const RequestHead& head = request.head;
    const bool is_plain = head.method == Method::get && head.keep_alive && !head.content_len &&
                          request.query.empty() && head.if_none_match.empty() &&
                          !wants_json(head.accept);
    if (!is_plain || !request.path.starts_with(kSecrets) ||
        request.path.substr(kSecrets.size()) != ready->grant.secret().name ||
        !agent_.holds(ready->grant)) {
        return AtOnce::no;
    }
    const SourcedSecret* const secret = agent_.vault.cached(ready->grant);
    if (secret == nullptr || secret->version != ready->version) return AtOnce::no;

    ++agent_.metrics.requests;
    const auto refuse = [&](std::string_view method, std::string_view object, const Error& error) {
        deny(agent_, connection.asker(), method, object, error);
        refusal_now = refusal(error.code);
        return AtOnce::refused;
    };
    if (const auto within = within_limits(connection, request); !within)
        return refuse("request", request.path, within.error());
    if (const auto same = connection.recheck_facts(); !same)
        return refuse(kReleaseMethod, ready->grant.secret().name, same.error());
    connection.set_value(secret->value, secret->expires);
    return AtOnce::releasing;
}

// Not at level L0: without a pidfd nothing tells of an exit in time. Nor where a rule looks at what
// only attestd-inspect sees: that takes a question to it.
void Routes::keep_ready(Connection& connection, const Released& released) const {
    if (!connection.peer().pidfd() || released.grant.policy().needs_inspection()) return;
    Response head;
    head.content_type = kBytesType;
    head.version = released.secret.version;
    std::string fixed = format_head(head, released.secret.value->size(), /*keep_alive=*/true);
    fixed.resize(fixed.size() - 2);  // its end, which comes behind the last header
    connection.set_ready({released.grant, released.secret.version, std::move(fixed),
                          release_members(agent_, connection.asker(), released.grant)});
}

Task<Response> Routes::handle(Connection& connection, Request& request) {
    ++agent_.metrics.requests;
    if (connection.listener().kind == ListenerKind::admin)
        co_return co_await handle_admin(connection, request);
    if (const auto within = within_limits(connection, request); !within) {
        deny(agent_, connection.asker(), "request", request.path, within.error());
        co_return refusal(within.error().code);
    }
    if (connection.listener().kind == ListenerKind::coco)
        co_return co_await handle_coco(connection, request);
    const Method method = request.head.method;
    if (request.path.starts_with(kSecrets)) {
        if (method != Method::get) co_return method_not_allowed();
        co_return co_await get_secret(connection, request);
    }
    if (request.path == "/v1/evidence") {
        if (method != Method::post) co_return method_not_allowed();
        co_return co_await post_evidence(connection, request);
    }
    if (request.path == "/v1/events") {
        if (method == Method::post) co_return co_await post_event(connection, request);
        if (method == Method::get) co_return co_await get_events(connection);
        co_return method_not_allowed();
    }
    if (request.path == "/v1/token") {
        if (method != Method::post) co_return method_not_allowed();
        co_return co_await post_token(connection, request);
    }
    if (request.path == "/v1/status")
        co_return method == Method::get ? get_status(connection) : method_not_allowed();
    if (request.path == "/v1/health")
        co_return method == Method::get ? get_health() : method_not_allowed();
    co_return problem(Errc::not_found, "no such path");
}

Task<Response> Routes::get_secret(Connection& connection, const Request& request) {
    const std::string name(request.path.substr(kSecrets.size()));
    if (const auto good = SecretName::parse(name); !good) co_return problem(good.error());
    const auto known = known_version(request.head.if_none_match);
    const auto wait_text = query_value(request.query, "wait");
    const auto wait = number<std::uint32_t>(wait_text);
    if (!wait_text.empty() && (!wait || !known)) {
        co_return problem(Errc::bad_request,
                          "wait takes whole seconds, and If-None-Match with the version you have");
    }
    using std::chrono::steady_clock;
    const auto longest = std::min<steady_clock::duration>(std::chrono::seconds(wait.value_or(0)),
                                                          agent_.policy->limits.max_wait);
    const auto until = steady_clock::now() + longest;
    const Asker asker = connection.asker();
    for (;;) {
        // Set up first: a change between the look and the wait must not be missed.
        connection.timer().expires_at(until);
        const Vault::Subscription woken(agent_.vault, connection.timer());
        auto released = co_await release(agent_, asker, name, known);
        if (!released) co_return refusal(released.error().code);
        const bool is_over = !connection.is_open() || steady_clock::now() >= until;
        if (!released->is_known || is_over) {
            if (!released->is_known) keep_ready(connection, *released);
            co_return answer(*std::move(released), request.head.accept);
        }
        co_await wait_for(connection.timer());
    }
}

Task<Result<EvidenceDocument>> Routes::give_evidence(Connection& connection,
                                                     std::string_view method,
                                                     EvidenceRequest wanted) {
    const Asker asker = connection.asker();
    const auto refuse = [&](const Error& error) {
        deny(agent_, asker, method, "", error);
        return tl::make_unexpected(error);
    };
    if (const auto same = co_await check_peer_again(agent_.policy, asker.peer); !same)
        co_return refuse(same.error());
    // The first workload that the caller is speaks; `workload` in the answer says which.
    const PolicyPtr policy = agent_.policy;
    const auto matched = match_workloads(*policy, asker.peer.caller());
    if (matched.empty()) {
        const Error nobody{Errc::caller_unknown, "no workload matches"};
        co_return refuse(nobody);
    }
    // Which workload the caller is, the configuration says.
    if (const auto bound = agent_.check_bound(); !bound) co_return refuse(bound.error());
    const Workload& workload = policy->workloads[matched.front()];
    if (wanted.raw && !workload.raw_evidence) {
        const Error not_granted{Errc::not_allowed, "raw_evidence is not granted to " + workload.id};
        co_return refuse(not_granted);
    }
    const uid_t uid = asker.peer.caller().peer.uid;
    const auto within = agent_.limiter.quote(uid, workload.id, policy->limits, BootClock::now());
    if (!within) co_return refuse(within.error());
    ReportData report_data = workload_report_data(workload.id, wanted.data);
    if (wanted.raw) {
        report_data = ReportData{};
        std::copy(wanted.data.begin(), wanted.data.end(), report_data.begin());
    }
    auto evidence = co_await agent_.session.collect(workload.id, report_data);
    if (!evidence) co_return refuse(evidence.error());
    // That took its time: the caller must still be there, under the same policy.
    if (const auto same = co_await check_peer_again(agent_.policy, asker.peer); !same)
        co_return refuse(same.error());
    if (agent_.policy != policy)
        co_return fail(Errc::grant_expired, "the policy changed in between");

    const std::vector<std::string_view> ids{workload.id};
    AuditEvent event;
    event.decision = Decision::allow;
    event.method = method;
    event.object = wanted.raw ? "raw" : "";
    event.connection = asker.connection;
    event.caller = &asker.peer.caller();
    event.workloads = &ids;
    event.policy = &policy->digest;
    const auto recorded = co_await agent_.audit->record(event, asker.audit_text);
    if (!recorded) co_return tl::make_unexpected(recorded.error());
    ++agent_.metrics.evidence;
    EvidenceDocument out{*std::move(evidence), workload.id, report_data};
    co_return out;
}

Task<Response> Routes::post_evidence(Connection& connection, const Request& request) {
    auto wanted = parse_evidence_request(request.body);
    if (!wanted) co_return problem(wanted.error());
    const auto given = co_await give_evidence(connection, "POST /v1/evidence", *std::move(wanted));
    if (!given) co_return refusal(given.error().code);
    co_return json_response(to_json(*given));
}

Response Routes::get_status(Connection& connection) const {
    return json_response(status_json(agent_, connection.peer().caller()));
}

Response Routes::get_health() const {
    const std::string why = unhealthy_because(agent_);
    if (why.empty()) return json_response(R"({"healthy":true})");
    Response out = problem(Errc::not_affirming, why);
    out.retry_after = kRetrySoon;
    return out;
}

}  // namespace attestd
