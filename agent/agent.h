// Agent: all state of the daemon, in one place and on one thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "agent/api/limiter.h"
#include "agent/audit/audit_log.h"
#include "agent/collateral_refresher.h"
#include "agent/confine/places.h"
#include "agent/events/event_service.h"
#include "agent/metrics.h"
#include "agent/provisioning.h"
#include "agent/release/vault.h"
#include "agent/session.h"

namespace attestd {

/// What the kernel calls this boot; "unknown" when it does not say.
[[nodiscard]] std::string running_boot_id();

class Agent final {
 public:
    /// `platform`, `events` and the strands' pool outlive the agent. Opens the audit log and parses
    /// the appraisal policy; errors of both.
    [[nodiscard]] static Result<std::unique_ptr<Agent>> make(
        Io& io, Strand platform_strand, Strand store_strand, Strand network_strand,
        Platform& platform, RuntimeEvents& events, std::filesystem::path config_file,
        Config config);
    Agent(Io& io, Strand platform_strand, Strand store_strand, Strand network_strand,
          Platform& platform, RuntimeEvents& events, std::filesystem::path config_file,
          PolicyPtr policy, std::shared_ptr<VerifierKind> verifier,
          std::unique_ptr<AuditLog> audit_log, ProvisionDesk desk);

    /// Reads the configuration again: all of it takes effect, or nothing. What cannot change
    /// without a restart (platform, sources, listeners, state_dir, audit, config_binding) must be
    /// as it was: Errc::bad_config.
    [[nodiscard]] Task<Result<void>> reload();

    /// Measures the configuration where it is bound to RTMR3: before the first evidence. Errors of
    /// RuntimeEvents::record_config(), which were logged; nothing is released then.
    [[nodiscard]] Task<Result<void>> measure_config();

    /// What a reload would say to `candidate`, which is not taken: its verifier, or the error.
    [[nodiscard]] Result<std::unique_ptr<VerifierKind>> accept(const Config& candidate) const;

    /// The session as of now.
    [[nodiscard]] std::optional<Affirmation> affirmation() const {
        return session.current(BootClock::now());
    }
    [[nodiscard]] bool holds(const Grant& grant) const;

    /// Whether the last evidence, which must have been accepted, is bound to this configuration;
    /// always where configuration asks for no such binding. Errc::binding_mismatch.
    [[nodiscard]] Result<void> check_bound() const;

    PolicyPtr policy;
    std::unique_ptr<AuditLog> audit;
    Vault vault;
    Session session;
    EventService events;
    CollateralRefresher collateral;
    Provisioning provisioning;
    Limiter limiter;
    Metrics metrics;

 private:
    [[nodiscard]] Task<Result<void>> replace(Config fresh);
    void apply(Config fresh, std::unique_ptr<VerifierKind> verifier);

    Io& io_;
    Strand files_strand_;
    std::filesystem::path config_file_;
    std::vector<Place> places_;  // that the process confined itself to
    WaitList reloaded_;
    bool is_reloading_ = false;
};

}  // namespace attestd
