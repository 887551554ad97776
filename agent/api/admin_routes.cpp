// The admin socket's routes. Every change is recorded.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "agent/api/routes.h"
#include "agent/api/status.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr std::string_view kSecrets = "/v1/admin/secrets/";
constexpr std::string_view kProvision = "/v1/admin/provision";
constexpr std::string_view kSlots = "/v1/admin/store/slots";

std::string dumped(const nlohmann::ordered_json& json) {
    return json.dump(-1, ' ', /*ensure_ascii=*/true,
                     nlohmann::ordered_json::error_handler_t::replace);
}

nlohmann::ordered_json slots_json(const StoreStatus& status) {
    nlohmann::ordered_json out;
    out["where"] = status.where;
    out["id"] = status.id;
    out["rollback"] = status.rollback;
    out["warnings"] = status.warnings;
    out["slots"] = nlohmann::ordered_json::array();
    for (const SlotInfo& slot : status.slots) {
        out["slots"].push_back({{"number", slot.number},
                                {"kind", slot_kind_name(slot.kind)},
                                {"state", slot_state_name(slot.state)},
                                {"detail", slot.detail},
                                {"opened_this_time", slot.opened_this_time}});
    }
    return out;
}

struct NewSlot {
    SlotKind kind;
    std::string public_pem;  // of a recovery slot
};

// {"kind":"snp"}, {"kind":"vtpm"}, {"kind":"remote"} or {"kind":"recovery","public_key":PEM}.
Result<NewSlot> parse_new_slot(ByteView body) {
    constexpr JsonLimits kLimits{8192, /*max_depth=*/2};
    ATTESTD_TRY(const auto document, JsonDocument::parse(as_text(body), "request", kLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue kind_value, in.required("kind"));
    ATTESTD_TRY(const std::string kind, kind_value.text());
    for (const SlotKind plain : {SlotKind::snp, SlotKind::vtpm, SlotKind::remote}) {
        if (kind != slot_kind_name(plain)) continue;
        ATTESTD_CHECK(in.finish());
        return NewSlot{plain, {}};
    }
    if (kind != "recovery") {
        return kind_value.fail_here(Errc::bad_value,
                                    "\"snp\", \"vtpm\", \"remote\" or \"recovery\" is expected");
    }
    ATTESTD_TRY(const JsonValue key, in.required("public_key"));
    ATTESTD_TRY(std::string pem, key.text());
    ATTESTD_CHECK(in.finish());
    if (pem.empty()) return key.fail_here(Errc::bad_value, "a public key in PEM is expected");
    return NewSlot{SlotKind::recovery, std::move(pem)};
}

// Nothing, or {"len":32,"alphabet":"hex"}: what is left out is as it was.
Result<Rotation> parse_rotation(ByteView body) {
    constexpr JsonLimits kLimits{1024, /*max_depth=*/2};
    Rotation out;
    if (body.empty()) return out;
    ATTESTD_TRY(const auto document, JsonDocument::parse(as_text(body), "request", kLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    if (const auto len = in.optional("len")) {
        ATTESTD_TRY(const std::int64_t number,
                    len->integer(1, static_cast<std::int64_t>(kMaxSecretLen)));
        out.len = static_cast<std::size_t>(number);
    }
    if (const auto alphabet = in.optional("alphabet")) {
        ATTESTD_TRY(const std::string name, alphabet->text());
        const auto named = alphabet_named(name);
        if (!named) {
            return alphabet->fail_here(
                Errc::bad_value,
                "\"bytes\", \"hex\", \"base64url\", \"alphanumeric\" or \"digits\" is expected");
        }
        out.alphabet = *named;
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

// The number behind "/v1/admin/store/slots/".
std::optional<std::uint32_t> slot_number(std::string_view text) noexcept {
    std::uint32_t number = 0;
    if (!text.starts_with('/')) return std::nullopt;
    text.remove_prefix(1);
    const auto [after, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || after != text.data() + text.size())
        return std::nullopt;
    return number;
}

}  // namespace

Result<std::pair<std::string, SecretName>> place_of(const Config& policy, std::string_view name) {
    ATTESTD_TRY(SecretName parsed, SecretName::parse(name));
    if (const auto it = policy.secrets.find(name); it != policy.secrets.end()) {
        ATTESTD_TRY(SecretName resource, SecretName::parse(it->second.resource));
        return std::make_pair(it->second.source, std::move(resource));
    }
    if (policy.stores.size() == 1)
        return std::make_pair(policy.stores.begin()->first, std::move(parsed));
    return fail(Errc::bad_request, "configuration does not say which source holds this secret");
}

bool is_admin(const Caller& caller, const ListenerConfig& listener) {
    if (caller.peer.uid == 0 || caller.peer.uid == ::geteuid()) return true;
    if (!listener.group) return false;
    return caller.peer.gid == *listener.group ||
           std::find(caller.groups.begin(), caller.groups.end(), *listener.group) !=
               caller.groups.end();
}

void Routes::note_admin(const Connection& connection, std::string_view method,
                        std::string_view object, const Error* error) {
    AuditEvent event;
    event.decision = error == nullptr ? Decision::allow : Decision::deny;
    event.method = method;
    event.object = object;
    if (error != nullptr) {
        event.reason = errc_name(error->code);
        event.detail = error->detail;
    }
    event.connection = connection.id();
    event.caller = &connection.peer().caller();
    event.policy = &agent_.policy->digest;
    agent_.audit->note_event(event, connection.asker().audit_text);
}

Task<Response> Routes::handle_admin(Connection& connection, Request& request) {
    const Asker asker = connection.asker();
    const auto same = asker.peer.recheck(agent_.policy->identity);
    if (!same || !is_admin(asker.peer.caller(), connection.listener())) {
        const Error error = same ? Error{Errc::not_allowed, "not an administrator"} : same.error();
        deny(agent_, asker, "admin", request.path, error);
        co_return problem(error.code, errc_meaning(error.code));
    }
    const Method method = request.head.method;
    const std::string_view path = request.path;
    if (path.starts_with(kSecrets)) {
        std::string name(path.substr(kSecrets.size()));
        if (method == Method::put)
            co_return co_await put_secret(connection, request, std::move(name));
        if (method == Method::del) co_return co_await delete_secret(connection, std::move(name));
        if (method == Method::post)
            co_return co_await rotate_secret(connection, request, std::move(name));
    }
    if (method == Method::post && path.starts_with(kProvision))
        co_return co_await handle_provision(connection, request);
    if (path.starts_with(kSlots)) co_return co_await handle_slots(connection, request);
    if (method == Method::get) {
        if (path == "/v1/admin/secrets") co_return co_await list_secrets(request);
        if (path == "/v1/admin/sessions") co_return get_sessions();
        if (path == "/v1/status") co_return get_status(connection);
        if (path == "/v1/health") co_return get_health();
        if (path == "/metrics") {
            Response out = json_response(metrics_text(agent_, *server_));
            out.content_type = "text/plain; version=0.0.4";
            co_return out;
        }
    }
    if (method == Method::post && path == "/v1/admin/reload") co_return co_await reload();
    if (method == Method::post && path == "/v1/admin/renew") co_return renew();
    if (method == Method::post && path == "/v1/admin/explain") co_return explain_release(request);
    if (method == Method::post && path == "/v1/admin/check") co_return check_candidate(request);
    co_return problem(Errc::not_found, "no such path, or not with this method");
}

Task<Response> Routes::put_secret(Connection& connection, Request& request, std::string name) {
    constexpr std::string_view kMethod = "PUT /v1/admin/secrets";
    const auto place = place_of(*agent_.policy, name);
    if (!place) co_return problem(place.error());
    Secret value = std::move(request.secret_body);
    Result<std::uint64_t> version = std::uint64_t{0};
    if (query_value(request.query, "existing") == "1")
        version = co_await agent_.vault.replace(place->first, place->second, std::move(value));
    else
        version = co_await agent_.vault.put(place->first, place->second, std::move(value));
    note_admin(connection, kMethod, name, version ? nullptr : &version.error());
    if (!version) co_return problem(version.error());
    Response out = json_response(fmt::format(R"({{"name":"{}","version":{}}})", name, *version));
    out.version = *version;
    co_return out;
}

Task<Response> Routes::delete_secret(Connection& connection, std::string name) {
    constexpr std::string_view kMethod = "DELETE /v1/admin/secrets";
    const auto place = place_of(*agent_.policy, name);
    if (!place) co_return problem(place.error());
    const auto removed = co_await agent_.vault.remove(place->first, place->second);
    note_admin(connection, kMethod, name, removed ? nullptr : &removed.error());
    if (!removed) co_return problem(removed.error());
    Response out;
    out.status = 204;
    co_return out;
}

// The source that a listing is of: the one that the query names, else the only one.
Result<std::string> Routes::source_of(const Request& request) const {
    if (const auto named = query_value(request.query, "source"); !named.empty())
        return std::string(named);
    const auto& stores = agent_.policy->stores;
    if (stores.size() == 1) return stores.begin()->first;
    return fail(Errc::bad_request, "say which source: ?source=NAME");
}

Task<Response> Routes::list_secrets(const Request& request) {
    const auto source = source_of(request);
    if (!source) co_return problem(source.error());
    const auto listing = co_await agent_.vault.list(*source);
    if (!listing) co_return problem(listing.error());
    nlohmann::ordered_json out;
    out["source"] = *source;
    out["secrets"] = nlohmann::ordered_json::array();
    for (const StoredName& stored : listing->names) {
        out["secrets"].push_back(
            {{"name", stored.name.text()}, {"version", stored.version}, {"len", stored.value_len}});
    }
    out["damaged"] = listing->damaged;
    co_return json_response(dumped(out));
}

Task<Response> Routes::rotate_secret(Connection& connection, const Request& request,
                                     std::string name) {
    constexpr std::string_view kMethod = "POST /v1/admin/secrets";
    const auto place = place_of(*agent_.policy, name);
    if (!place) co_return problem(place.error());
    const auto how = request.secret_body.expose(parse_rotation);
    if (!how) co_return problem(how.error());
    const auto version = co_await agent_.vault.rotate(place->first, place->second, *how);
    note_admin(connection, kMethod, name, version ? nullptr : &version.error());
    if (!version) co_return problem(version.error());
    Response out = json_response(fmt::format(R"({{"name":"{}","version":{}}})", name, *version));
    out.version = *version;
    co_return out;
}

Task<Response> Routes::handle_slots(Connection& connection, const Request& request) {
    const auto source = source_of(request);
    if (!source) co_return problem(source.error());
    const std::string_view number_text = request.path.substr(kSlots.size());
    if (request.head.method == Method::get && number_text.empty()) {
        const auto status = co_await agent_.vault.status(*source);
        if (!status) co_return problem(status.error());
        co_return json_response(dumped(slots_json(*status)));
    }
    if (request.head.method == Method::post && number_text.empty()) {
        const auto wanted = request.secret_body.expose(parse_new_slot);
        if (!wanted) co_return problem(wanted.error());
        Result<std::uint32_t> added = std::uint32_t{0};
        if (is_platform_kind(wanted->kind)) {
            added = co_await agent_.vault.add_platform_slot(*source, wanted->kind);
        } else if (wanted->kind == SlotKind::recovery) {
            added = co_await agent_.vault.add_recovery_slot(*source, wanted->public_pem);
        } else {
            added = co_await add_remote_slot(*source);
        }
        note_admin(connection, "POST /v1/admin/store/slots", *source,
                   added ? nullptr : &added.error());
        if (!added) co_return problem_behind(added.error().code, added.error().detail);
        co_return json_response(fmt::format(R"({{"number":{}}})", *added));
    }
    const auto number = slot_number(number_text);
    if (request.head.method != Method::del || !number)
        co_return problem(Errc::not_found, "no such path");
    const auto dropped = co_await agent_.vault.drop_slot(*source, *number);
    note_admin(connection, "DELETE /v1/admin/store/slots", number_text,
               dropped ? nullptr : &dropped.error());
    if (!dropped) co_return problem(dropped.error());
    Response out;
    out.status = 204;
    co_return out;
}

Task<Result<std::uint32_t>> Routes::add_remote_slot(std::string source) {
    auto grant = decide_slot(agent_.policy, source, agent_.affirmation(), BootClock::now());
    if (!grant && grant.error().code == Errc::secret_unavailable) {
        co_return fail(Errc::store_slot, "configuration names no \"remote_slot\" for this store");
    }
    if (!grant) co_return tl::make_unexpected(std::move(grant).error());
    co_return co_await agent_.vault.add_remote_slot(std::move(source), *std::move(grant));
}

Task<Response> Routes::reload() {
    const auto done = co_await agent_.reload();
    co_return done ? json_response(R"({"reloaded":true})") : problem(done.error());
}

Response Routes::renew() {
    agent_.session.renew_now();
    return json_response(R"({"renewing":true})");
}

Response Routes::get_sessions() const { return json_response(sessions_json(agent_, *server_)); }

}  // namespace attestd
