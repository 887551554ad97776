// Routes: which path does what, for workloads and, on the admin socket, for administrators.
#pragma once

#include "agent/api/connection.h"
#include "agent/api/server.h"
#include "agent/evidence.h"
#include "agent/platform/evidence_json.h"

namespace attestd {

class Routes final : public Handler {
 public:
    explicit Routes(Agent& agent) : agent_(agent) {}

    /// For GET /v1/admin/sessions; set once, before serving.
    void set_server(const Server& server) noexcept { server_ = &server; }

    [[nodiscard]] Task<Response> handle(Connection& connection, Request& request) override;
    [[nodiscard]] AtOnce try_at_once(Connection& connection, const Request& request,
                                     Response& refusal) override;

 private:
    // For workloads.
    [[nodiscard]] Result<void> within_limits(Connection& connection, const Request& request);
    void keep_ready(Connection& connection, const Released& released) const;
    [[nodiscard]] Task<Response> get_secret(Connection& connection, const Request& request);
    [[nodiscard]] Task<Response> post_evidence(Connection& connection, const Request& request);
    [[nodiscard]] Task<Response> post_event(Connection& connection, const Request& request);
    [[nodiscard]] Task<Response> get_events(Connection& connection);
    // Tokens, by either kind of listener (token_routes.cpp).
    [[nodiscard]] Task<Response> post_token(Connection& connection, const Request& request);
    [[nodiscard]] Task<Response> get_coco_token(Connection& connection, const Request& request);
    [[nodiscard]] Response get_status(Connection& connection) const;
    [[nodiscard]] Response get_health() const;
    /// Evidence for the first workload that the caller is, recorded as `method`.
    [[nodiscard]] Task<Result<EvidenceDocument>> give_evidence(Connection& connection,
                                                               std::string_view method,
                                                               EvidenceRequest wanted);
    /// The event, measured in the name of the first of the caller's workloads that may have any.
    [[nodiscard]] Task<Result<RuntimeEvent>> measure_event(Connection& connection,
                                                           std::string_view method,
                                                           std::string operation,
                                                           std::string content);
    // For clients of the Confidential Containers' REST server (coco_routes.cpp).
    [[nodiscard]] Task<Response> handle_coco(Connection& connection, const Request& request);
    [[nodiscard]] Task<Response> get_coco_resource(Connection& connection, const Request& request);
    [[nodiscard]] Task<Response> get_coco_evidence(Connection& connection, const Request& request);
    [[nodiscard]] Task<Response> post_coco_event(Connection& connection, const Request& request);
    [[nodiscard]] Response coco_info() const;
    /// For what failed behind a request that was understood.
    [[nodiscard]] static Response coco_failure(const Connection& connection, Errc code);
    /// For the request itself.
    [[nodiscard]] static Response coco_refusal(const Connection& connection, Errc code);
    // For administrators (admin_routes.cpp).
    [[nodiscard]] Task<Response> handle_admin(Connection& connection, Request& request);
    [[nodiscard]] Task<Response> put_secret(Connection& connection, Request& request,
                                            std::string name);
    [[nodiscard]] Task<Response> delete_secret(Connection& connection, std::string name);
    [[nodiscard]] Task<Response> rotate_secret(Connection& connection, const Request& request,
                                               std::string name);
    [[nodiscard]] Task<Result<std::uint32_t>> add_remote_slot(std::string source);
    [[nodiscard]] Task<Response> list_secrets(const Request& request);
    [[nodiscard]] Task<Response> handle_slots(Connection& connection, const Request& request);
    [[nodiscard]] Result<std::string> source_of(const Request& request) const;
    // Provisioning (provision_routes.cpp).
    [[nodiscard]] Task<Response> handle_provision(Connection& connection, Request& request);
    [[nodiscard]] Task<Response> make_provision_request(Connection& connection,
                                                        const Request& request);
    [[nodiscard]] Task<Response> accept_package(Connection& connection, Request& request);
    [[nodiscard]] Task<Response> hand_over(Connection& connection, Request& request);
    [[nodiscard]] Result<void> may_leave(const Config& policy, const std::string& source,
                                         const std::vector<SecretName>& names, Grade other) const;
    [[nodiscard]] Result<void> may_hand_over() const;
    void note_provision(const Connection& connection, std::string_view method,
                        std::string_view name, const ProvisionId& id, const Error* error);
    [[nodiscard]] Task<Result<void>> record_hand_over(const Connection& connection,
                                                      std::string_view name, ProvisionId id,
                                                      Sha256 evidence);
    [[nodiscard]] AuditEvent provision_event(const Connection& connection, std::string_view method,
                                             std::string_view name, std::string_view detail) const;
    // About policy (policy_routes.cpp).
    [[nodiscard]] Response explain_release(const Request& request) const;
    [[nodiscard]] Response check_candidate(const Request& request) const;
    [[nodiscard]] Task<Response> reload();
    [[nodiscard]] Response renew();
    [[nodiscard]] Response get_sessions() const;
    void note_admin(const Connection& connection, std::string_view method, std::string_view object,
                    const Error* error);

    Agent& agent_;
    const Server* server_ = nullptr;
};

/// Whether the peer may use the admin socket: root, attestd's own user, or a member of the group
/// that configuration gave the socket to.
[[nodiscard]] bool is_admin(const Caller& caller, const ListenerConfig& listener);

/// Where an administrator's secret goes: to the source that the policy names for it, under the name
/// that it has there; else to the only store there is. Errc::bad_name, Errc::bad_request.
[[nodiscard]] Result<std::pair<std::string, SecretName>> place_of(const Config& policy,
                                                                  std::string_view name);

/// The value of `key` in a query; empty when absent. Values are plain: no decoding.
[[nodiscard]] std::string_view query_value(std::string_view query, std::string_view key) noexcept;

/// The version that If-None-Match names: one entity tag, as ETag sent it.
[[nodiscard]] std::optional<std::uint64_t> known_version(std::string_view if_none_match) noexcept;

}  // namespace attestd
