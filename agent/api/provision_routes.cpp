// The admin socket's routes of provisioning: a request of this machine, a package for it, and the
// stored secrets handed over to another machine. Each is recorded: names, never values.
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>

#include "agent/api/routes.h"
#include "quote/base/encoding.h"

namespace attestd {
namespace {

constexpr std::string_view kMakeRequest = "POST /v1/admin/provision";
constexpr std::string_view kAccept = "POST /v1/admin/provision/accept";
constexpr std::string_view kHandOver = "POST /v1/admin/provision/hand-over";
constexpr std::chrono::seconds kUsualLife{3600};

struct RequestOptions {
    std::string machine;
    std::chrono::seconds life = kUsualLife;
};

std::string host_label() {
    std::array<char, kMaxMachineLabelLen + 1> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return "unnamed";
    std::string label(name.data());
    return check_machine_label(label) ? label : "unnamed";
}

// Nothing, or {"machine": LABEL, "valid_for": DURATION}; both may be absent.
Result<RequestOptions> parse_request_options(ByteView body) {
    constexpr JsonLimits kLimits{1024, /*max_depth=*/2};
    RequestOptions out;
    out.machine = host_label();
    if (body.empty()) return out;
    ATTESTD_TRY(const auto document, JsonDocument::parse(as_text(body), "request", kLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    if (const auto machine = in.optional("machine")) {
        ATTESTD_TRY(out.machine, machine->text());
    }
    if (const auto life = in.optional("valid_for")) {
        ATTESTD_TRY(const std::string text, life->text());
        ATTESTD_TRY(const Millis parsed, parse_duration(text));
        out.life = std::chrono::duration_cast<std::chrono::seconds>(parsed);
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

// The store that a package goes into, with the names that its secrets have there.
Result<std::string> place_package(const Config& policy, Package& package,
                                  const Result<std::string>& store) {
    if (package.names == PackageNames::store) return store;
    std::string source;
    for (NewSecret& secret : package.secrets) {
        ATTESTD_TRY(auto place, place_of(policy, secret.name.text()));
        if (!source.empty() && source != place.first) {
            return fail(Errc::bad_request,
                        "the secrets belong to several stores: make a package for each");
        }
        source = std::move(place.first);
        secret.name = std::move(place.second);
    }
    return source;
}

std::string accepted_json(const ProvisionId& id, const std::vector<NewSecret>& secrets,
                          const std::vector<std::uint64_t>& versions) {
    nlohmann::ordered_json out;
    out["id"] = to_hex(id);
    out["secrets"] = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < secrets.size(); ++i) {
        out["secrets"].push_back({{"name", secrets[i].name.text()}, {"version", versions.at(i)}});
    }
    return out.dump();
}

}  // namespace

Task<Response> Routes::handle_provision(Connection& connection, Request& request) {
    if (request.path == "/v1/admin/provision")
        co_return co_await make_provision_request(connection, request);
    if (request.path == "/v1/admin/provision/accept")
        co_return co_await accept_package(connection, request);
    if (request.path == "/v1/admin/provision/hand-over")
        co_return co_await hand_over(connection, request);
    co_return problem(Errc::not_found, "no such path");
}

Task<Response> Routes::make_provision_request(Connection& connection, const Request& request) {
    auto options = request.secret_body.expose(parse_request_options);
    if (!options) co_return problem(options.error());
    auto made = co_await agent_.provisioning.make_request(
        agent_.session, std::move(options->machine), options->life);
    note_admin(connection, kMakeRequest, made ? to_hex(made->id) : std::string(),
               made ? nullptr : &made.error());
    if (!made) co_return problem(made.error());
    co_return json_response(std::move(made->text));
}

Task<Response> Routes::accept_package(Connection& connection, Request& request) {
    const auto store = source_of(request);
    const auto existing = query_value(request.query, "replace") == "1" ? ExistingSecrets::replace
                                                                       : ExistingSecrets::refuse;
    auto opened = co_await agent_.provisioning.open(std::move(request.body));
    if (!opened) {
        note_admin(connection, kAccept, "", &opened.error());
        co_return problem(opened.error());
    }
    const ProvisionId id = opened->id;
    const auto source = place_package(*agent_.policy, opened->package, store);
    const auto secrets =
        std::make_shared<const std::vector<NewSecret>>(std::move(opened->package.secrets));
    Result<std::vector<std::uint64_t>> versions = tl::make_unexpected(Error{Errc::internal, ""});
    if (source) {
        versions = co_await agent_.vault.put_all(*source, secrets, existing);
    } else {
        versions = tl::make_unexpected(source.error());
    }
    agent_.provisioning.settle(
        id, versions ? Provisioning::Settled::taken : Provisioning::Settled::not_taken);
    for (const NewSecret& secret : *secrets) {
        note_provision(connection, kAccept, secret.name.text(), id,
                       versions ? nullptr : &versions.error());
    }
    if (!versions) co_return problem(versions.error());
    co_return json_response(accepted_json(id, *secrets, *versions));
}

// Nothing leaves but to a machine that the configuration's own policy accepts, while this one's
// standing is good, and after each name was recorded.
Task<Response> Routes::hand_over(Connection& connection, Request& request) {
    const auto refused = [&](const Error& error) {
        note_admin(connection, kHandOver, "", &error);
        return problem(error);
    };
    const PolicyPtr policy = agent_.policy;
    if (const auto may = may_hand_over(); !may) co_return refused(may.error());
    const auto source = source_of(request);
    if (!source) co_return problem(source.error());
    auto judged = co_await agent_.provisioning.judge(policy, std::move(request.body));
    if (!judged) co_return refused(judged.error());
    if (!judged->wanted.empty()) agent_.collateral.want(judged->wanted);
    if (!judged->verdict) co_return refused(judged->verdict.error());
    const ProvisionId id = judged->request.body.id;
    auto secrets =
        co_await agent_.vault.get_all(*source, std::move(judged->names), kMaxPackageValuesLen);
    if (!secrets) co_return refused(secrets.error());
    std::vector<SecretName> names;
    for (const NewSecret& secret : *secrets) names.push_back(secret.name);
    if (const auto may = may_leave(*policy, *source, names, judged->grade); !may)
        co_return refused(may.error());
    auto sealed =
        co_await agent_.provisioning.seal(std::move(judged->request.body), std::move(*secrets));
    if (!sealed) co_return refused(sealed.error());
    for (const SecretName& name : names) {
        const auto written =
            co_await record_hand_over(connection, name.text(), id, judged->evidence);
        if (!written) co_return problem(written.error());
    }
    // That took its time.
    const bool same_peer = connection.asker().peer.recheck(agent_.policy->identity).has_value();
    if (const auto may = may_hand_over(); !may || agent_.policy != policy || !same_peer) {
        const Error changed{Errc::grant_expired, "what this rested on changed meanwhile"};
        co_return refused(changed);
    }
    co_return json_response(std::move(*sealed));
}

// What rests on an added trust anchor, the other machine's result or this one's own, opens only
// what is marked for tests, here as everywhere.
Result<void> Routes::may_leave(const Config& policy, const std::string& source,
                               const std::vector<SecretName>& names, Grade other) const {
    const auto own = agent_.affirmation();
    if (own && own->result.grade() == Grade::production && other == Grade::production) return {};
    for (const SecretName& name : names) {
        bool is_named = false, is_test = true;
        for (const auto& [secret_name, secret] : policy.secrets) {
            if (secret.source != source || secret.resource != name.text()) continue;
            is_named = true;
            is_test = is_test && secret.test;
        }
        if (is_named && is_test) continue;
        return fail(Errc::provision_machine,
                    name.text() +
                        ": the results are of test grade, and policy does not mark it "
                        "\"test\"");
    }
    return {};
}

Result<void> Routes::may_hand_over() const {
    if (!agent_.policy->hand_over_policy) {
        return fail(Errc::provision_disabled,
                    "the configuration does not say to which machines: put the appraisal policy "
                    "that they must satisfy into a file, add \"hand_over\": {\"policy\": "
                    "\"/etc/attestd/next-image.json\"} to attestd.json, and reload");
    }
    if (!agent_.affirmation())
        return fail(Errc::not_affirming, "this machine's own result is not affirming");
    return agent_.check_bound();
}

void Routes::note_provision(const Connection& connection, std::string_view method,
                            std::string_view name, const ProvisionId& id, const Error* error) {
    const std::string detail =
        "request " + to_hex(id) + (error == nullptr ? std::string() : ": " + error->detail);
    AuditEvent event = provision_event(connection, method, name, detail);
    event.decision = error == nullptr ? Decision::allow : Decision::deny;
    if (error != nullptr) event.reason = errc_name(error->code);
    agent_.audit->note_event(event, connection.asker().audit_text);
}

Task<Result<void>> Routes::record_hand_over(const Connection& connection, std::string_view name,
                                            ProvisionId id, Sha256 evidence) {
    const std::string detail = "request " + to_hex(id);
    AuditEvent event = provision_event(connection, kHandOver, name, detail);
    event.evidence = &evidence;
    event.epoch = agent_.session.epoch();
    co_return co_await agent_.audit->record(event, connection.asker().audit_text);
}

AuditEvent Routes::provision_event(const Connection& connection, std::string_view method,
                                   std::string_view name, std::string_view detail) const {
    AuditEvent event;
    event.decision = Decision::allow;
    event.method = method;
    event.object = name;
    event.detail = detail;
    event.connection = connection.id();
    event.caller = &connection.peer().caller();
    event.policy = &agent_.policy->digest;
    return event;
}

}  // namespace attestd
