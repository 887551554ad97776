#include "agent/agent.h"

#include "agent/caller/inspection.h"
#include "agent/caller/interpreters.h"
#include "agent/confine/places.h"
#include "agent/log.h"
#include "agent/release/binding.h"
#include "agent/sources/remote_sources.h"
#include "config/loader.h"
#include "quote/base/encoding.h"
#include "quote/base/fd.h"

namespace attestd {
namespace {

// The shortest "max_age" that a secret asks for.
std::optional<Millis> freshness_asked(const Config& config) {
    std::optional<Millis> out;
    for (const auto& [name, secret] : config.secrets) {
        const auto& age = secret.require.max_age;
        if (age && (!out || *age < *out)) out = age;
    }
    return out;
}

// Empty, or the first member that differs and only takes effect at a start.
// A file that could be read at a start may not be in a process that confined itself.
Error with_confinement(Error error) {
    if (error.code == Errc::access_denied) {
        error.detail +=
            " (this process opens only the folders that its configuration named at the start: "
            "others take a restart)";
    }
    return error;
}

std::string_view needs_restart(const Config& now, const Config& fresh) {
    if (!(now.platform == fresh.platform)) return "platform";
    const bool same_sources = now.stores == fresh.stores && now.brokers == fresh.brokers &&
                              now.hashi_vaults == fresh.hashi_vaults &&
                              now.credentials == fresh.credentials &&
                              now.sealed_sources == fresh.sealed_sources;
    if (!same_sources) return "sources";
    if (now.listeners != fresh.listeners) return "listeners";
    if (now.state_dir != fresh.state_dir) return "state_dir";
    if (!(now.audit == fresh.audit)) return "audit";
    if (now.config_binding != fresh.config_binding) return "config_binding";
    if (now.limits.backlog != fresh.limits.backlog) return "limits.backlog";
    // The way to a quote service is made with the platform.
    const bool may_fetch_quotes = now.platform.type == PlatformType::tdx_guest ||
                                  now.platform.type == PlatformType::automatic;
    const auto fetches_by = [](const Config& config) {
        return config.verifier.collateral.fetch_socket;
    };
    if (may_fetch_quotes && fetches_by(now) != fetches_by(fresh))
        return "verifier.collateral.fetch_socket";
    return {};
}

}  // namespace

std::string running_boot_id() {
    const auto bytes = read_file("/proc/sys/kernel/random/boot_id", 64);
    if (!bytes) return "unknown";
    std::string id(as_text(*bytes));
    while (id.ends_with('\n')) id.pop_back();
    return id;
}

Result<std::unique_ptr<Agent>> Agent::make(Io& io, Strand platform_strand, Strand store_strand,
                                           Strand network_strand, Platform& platform,
                                           RuntimeEvents& events, std::filesystem::path config_file,
                                           Config config) {
    ATTESTD_CHECK(check_inspector(config));
    ATTESTD_TRY(auto verifier, make_verifier(config.verifier));
    ATTESTD_CHECK(make_hand_over_verifier(config));
    ATTESTD_TRY(ProvisionDesk desk, ProvisionDesk::make());
    std::error_code ec;
    std::filesystem::create_directories(config.state_dir, ec);
    if (ec) return fail_errno(ec.value(), config.state_dir.string());
    ATTESTD_TRY(auto audit_log, AuditLog::open(io, store_strand, config.audit, running_boot_id()));
    auto agent = std::make_unique<Agent>(
        io, platform_strand, store_strand, network_strand, platform, events, std::move(config_file),
        std::make_shared<const Config>(std::move(config)), std::move(verifier),
        std::move(audit_log), std::move(desk));
    ATTESTD_TRY(auto remotes, make_remotes(io, agent->session, *agent->policy,
                                           store_strand.get_inner_executor()));
    agent->vault.set_remotes(std::move(remotes));
    return agent;
}

Agent::Agent(Io& io, Strand platform_strand, Strand store_strand, Strand network_strand,
             Platform& platform, RuntimeEvents& runtime_events, std::filesystem::path config_file,
             PolicyPtr policy_now, std::shared_ptr<VerifierKind> verifier,
             std::unique_ptr<AuditLog> audit_log, ProvisionDesk desk)
    : policy(std::move(policy_now)),
      audit(std::move(audit_log)),
      vault(platform_strand, store_strand, platform, policy->stores,
            [this](const Grant& grant) { return holds(grant); }),
      session(io, platform_strand, platform, std::move(verifier), policy->verifier.max_age,
              policy->limits.collect_timeout),
      events(platform_strand, runtime_events),
      collateral(io, network_strand, policy->verifier),
      provisioning(io, platform_strand, network_strand, std::move(desk)),
      io_(io),
      files_strand_(std::move(network_strand)),
      config_file_(std::move(config_file)),
      places_(places_of(config_file_, *policy)),
      reloaded_(io.get_executor()) {
    session.set_hooks({[this] { vault.notify(); }, [this] { vault.wipe(); },
                       [this](const auto& ids) { collateral.want(ids); }});
    collateral.set_on_fetched([this] { session.endorsements_came(); });
    spawn(io_, warn_of_interpreters(files_strand_, policy));
    session.set_freshness(freshness_asked(*policy));
}

bool Agent::holds(const Grant& grant) const {
    const BootTime now = BootClock::now();
    return grant.holds(policy, session.current(now), now);
}

Result<void> Agent::check_bound() const {
    const auto& kind = policy->config_binding;
    if (kind == ConfigBinding::none || kind == ConfigBinding::image) return {};
    const auto& last = session.status().last_result;
    if (!last || last->verdict() != Verdict::accepted) {
        return fail(Errc::binding_mismatch,
                    "config_binding: there is no accepted evidence yet to compare with");
    }
    return check_binding(*policy, *last);
}

Task<Result<void>> Agent::measure_config() {
    if (policy->config_binding != ConfigBinding::rtmr3) co_return Result<void>();
    auto done = co_await events.record_config(policy->digest);
    if (!done) {
        log_event(LogLevel::error, "config.unmeasured",
                  {{"why", to_string(done.error())}, {"effect", "no secret is released"}});
    }
    co_return done;
}

Task<Result<void>> Agent::reload() {
    // One after the other: each is judged by what the one before left.
    while (is_reloading_) co_await reloaded_.wait();
    is_reloading_ = true;
    auto fresh = load_config(config_file_);
    Result<void> done;
    if (fresh)
        done = co_await replace(*std::move(fresh));
    else
        done = tl::make_unexpected(with_confinement(std::move(fresh).error()));
    is_reloading_ = false;
    reloaded_.notify_all();
    AuditEvent event;
    event.decision = Decision::event;
    event.method = "reload";
    event.policy = &policy->digest;
    if (!done) {
        ++metrics.reloads_failed;
        event.reason = errc_name(done.error().code);
        event.detail = done.error().detail;
        log_event(LogLevel::error, "config.reload-failed",
                  {{"why", to_string(done.error())}, {"effect", "the old configuration stays"}});
    } else {
        ++metrics.reloads;
        log_event(LogLevel::info, "config.reloaded", {{"sha256", to_hex(policy->digest)}});
    }
    audit->note_event(event);
    co_return done;
}

Result<std::unique_ptr<VerifierKind>> Agent::accept(const Config& candidate) const {
    if (const auto member = needs_restart(*policy, candidate); !member.empty()) {
        return fail(Errc::bad_config, std::string(member) + " changed: that takes a restart");
    }
    const std::vector<Place> wanted = places_of(config_file_, candidate);
    if (const Place* const outside = first_outside(wanted, places_)) {
        return fail(Errc::bad_config, outside->path.string() +
                                          ": the process confined itself to other folders at "
                                          "its start: that takes a restart");
    }
    ATTESTD_CHECK(check_inspector(candidate));
    // The machine's launch field stays what it is: another configuration is refused here already.
    const auto now = affirmation();
    if (now && candidate.config_binding != ConfigBinding::rtmr3)
        ATTESTD_CHECK(check_binding(candidate, now->result.result()));
    ATTESTD_CHECK(make_hand_over_verifier(candidate));
    return make_verifier(candidate.verifier);
}

Task<Result<void>> Agent::replace(Config fresh) {
    auto verifier = accept(fresh);
    if (!verifier) co_return tl::make_unexpected(std::move(verifier).error());
    if (auto reopened = audit->reopen(); !reopened) co_return reopened;
    if (fresh.config_binding == ConfigBinding::rtmr3) {
        if (auto measured = co_await events.record_config(fresh.digest); !measured)
            co_return measured;
    }
    // From here on nothing fails.
    apply(std::move(fresh), *std::move(verifier));
    co_return Result<void>();
}

void Agent::apply(Config fresh, std::unique_ptr<VerifierKind> verifier) {
    // A result that was appraised by these very rules stays: no secret need wait for another. One
    // whose registers name another configuration does not.
    const bool stays =
        fresh.verifier == policy->verifier &&
        (fresh.config_binding != ConfigBinding::rtmr3 || fresh.digest == policy->digest);
    policy = std::make_shared<const Config>(std::move(fresh));
    vault.wipe();
    vault.notify();
    spawn(io_, warn_of_interpreters(files_strand_, policy));
    session.set_freshness(freshness_asked(*policy));
    session.set_collect_timeout(policy->limits.collect_timeout);
    if (stays) return;
    collateral.configure(policy->verifier);
    session.replace_verifier(std::move(verifier), policy->verifier.max_age);
}

}  // namespace attestd
