#include "agent/daemon.h"

#include <boost/asio/signal_set.hpp>
#include <csignal>

#include "agent/agent.h"
#include "agent/api/routes.h"
#include "agent/api/server.h"
#include "agent/caller/inspection.h"
#include "agent/confine/confine.h"
#include "agent/credential/credentials.h"
#include "agent/events/guest_log.h"
#include "agent/http/stop_signal.h"
#include "agent/local_kind.h"
#include "agent/log.h"
#include "agent/platform_choice.h"
#include "agent/provisioning.h"
#include "agent/service_manager.h"
#include "agent/sources/remote_sources.h"
#include "agent/startup_memory.h"
#include "quote/base/encoding.h"
#include "quote/platform/host.h"

namespace attestd {
namespace {

using Signals = asio::basic_signal_set<Executor>;

constexpr auto kStopPatience = std::chrono::seconds(5);  // for requests in hand, at the end
// The platform; store and syncs; the network; the verifier. Each remote source has one more.
constexpr std::size_t kNumThreads = 4;

class Daemon final {
 public:
    Daemon(Io& io, Agent& agent, const ServiceManager& manager)
        : io_(io),
          agent_(agent),
          manager_(manager),
          routes_(agent),
          server_(io, agent, routes_, running_kernel()),
          credentials_(io, agent, running_kernel()),
          signals_(io, SIGTERM, SIGINT, SIGHUP),
          watchdog_(io) {
        routes_.set_server(server_);
    }

    Result<void> listen() {
        ATTESTD_TRY(auto passed, take_passed_sockets());
        for (const ListenerConfig& listener : listeners_of_->listeners) {
            ATTESTD_TRY(Fd socket, socket_for(listener, passed));
            const bool for_systemd = listener.kind == ListenerKind::credentials;
            ATTESTD_CHECK(for_systemd ? credentials_.add(listener, std::move(socket))
                                      : server_.add(listener, std::move(socket)));
        }
        if (passed.empty()) return {};
        return fail(Errc::bad_config, "systemd passed a socket \"" + passed.begin()->first +
                                          "\", but no listener has that name");
    }

    Task<void> run() {
        server_.start();
        credentials_.start();
        spawn(io_, attest());
        spawn(io_, agent_.collateral.run());
        spawn(io_, keep_stores_open());
        agent_.vault.start_upkeep(io_);
        if (manager_.watchdog_interval()) spawn(io_, feed_watchdog());
        release_startup_memory();
        manager_.notify_ready("listening");
        for (;;) {
            const auto [ec, number] = co_await signals_.async_wait(asio::as_tuple(use_task));
            if (ec || number != SIGHUP) break;
            manager_.notify_reloading();
            const auto reloaded = co_await agent_.reload();
            const bool done = reloaded.has_value();
            manager_.notify_ready(done ? "listening" : "listening; the last reload failed");
        }
        co_await shut_down();
    }

 private:
    Result<Fd> socket_for(const ListenerConfig& listener, std::map<std::string, Fd>& passed) {
        const auto it = passed.find(listener.name);
        if (it == passed.end() && listener.loopback_tcp) {
            return fail(Errc::bad_config,
                        "listener \"" + listener.name +
                            "\" says \"loopback_tcp\", and systemd passed no socket of that name: "
                            "enable attestd-coco-tcp.socket, or name it as its "
                            "FileDescriptorName= does");
        }
        if (it == passed.end()) return bind_listener(listener);
        Fd fd = std::move(it->second);
        passed.erase(it);
        ATTESTD_CHECK(check_inherited(fd, listener));
        return fd;
    }

    // What the evidence shall show is measured before it is made.
    Task<void> attest() {
        co_await agent_.events.open();
        const auto measured = co_await agent_.measure_config();
        if (!measured) spawn(io_, measure_later());
        co_await agent_.session.run();
    }

    // A register that could not be written at the start may be there later.
    Task<void> measure_later() {
        constexpr auto kRetry = std::chrono::seconds(10);
        while (!stopping_) {
            measure_again_.expires_after(kRetry);
            co_await wait_for(measure_again_);
            if (stopping_) break;
            const auto measured = co_await agent_.measure_config();
            if (measured) agent_.session.renew_now();
            if (measured || agent_.events.is_hopeless()) break;
        }
    }

    // A store whose slot could not be opened (the platform was not there yet) is tried again.
    Task<void> keep_stores_open() {
        constexpr auto kRetry = std::chrono::seconds(10);
        while (!stopping_) {
            // A store that waits for another one, or for an affirming result, need not wait long.
            const Vault::Subscription woken(agent_.vault, watch_stores_);
            watch_stores_.expires_after(kRetry);
            co_await agent_.vault.open_stores(agent_.policy, agent_.affirmation());
            co_await wait_for(watch_stores_);
        }
    }

    // From the event loop: a loop that hangs is a daemon that hangs.
    Task<void> feed_watchdog() {
        while (!stopping_) {
            manager_.notify("WATCHDOG=1");
            watchdog_.expires_after(*manager_.watchdog_interval());
            co_await wait_for(watchdog_);
        }
    }

    Task<void> shut_down() {
        log_event(LogLevel::info, "daemon.stopping");
        manager_.notify_stopping();
        stopping_ = true;
        process_stop().raise();  // no request in hand waits for a service any more
        co_await credentials_.stop();
        co_await server_.stop(kStopPatience);
        agent_.session.stop();
        agent_.collateral.stop();
        agent_.provisioning.stop();
        agent_.vault.stop();
        agent_.vault.wipe();
        watchdog_.cancel();
        watch_stores_.cancel();
        measure_again_.cancel();
        signals_.cancel();
    }

    Io& io_;
    Agent& agent_;
    const PolicyPtr listeners_of_{agent_.policy};  // kept: listeners change by a restart only
    const ServiceManager& manager_;
    Routes routes_;
    Server server_;
    Credentials credentials_;
    Signals signals_;
    Timer watchdog_;
    Timer watch_stores_{io_};
    Timer measure_again_{io_};
    bool stopping_ = false;
};

void note_life(AuditLog& audit, std::string_view method, const Config& config) {
    AuditEvent event;
    event.decision = Decision::event;
    event.method = method;
    event.policy = &config.digest;
    audit.note_event(event);
}

Result<void> check_identity(const IdentityConfig& rules) {
    const IdentityLevel level = running_kernel().level();
    if (level == IdentityLevel::l0 && !rules.allow_weak) {
        return fail(Errc::platform_unsupported,
                    "this kernel has no pidfd: callers cannot be told from their "
                    "successors; identity.allow_weak accepts that");
    }
    if (level < IdentityLevel::l2 && rules.require_peer_pidfd.value_or(false)) {
        return fail(Errc::platform_unsupported,
                    "identity.require_peer_pidfd is set and this kernel has none");
    }
    return {};
}

// However the loop ends, no thread of the pool works on what is about to go.
struct JoinedAtEnd {
    asio::thread_pool& pool;
    ~JoinedAtEnd() {
        pool.stop();
        pool.join();
    }
};

}  // namespace

Result<void> check_config(const Config& config) {
    ATTESTD_CHECK(check_inspector(config));
    ATTESTD_CHECK(check_remotes(config));
    ATTESTD_CHECK(make_verifier(config.verifier));
    ATTESTD_CHECK(make_hand_over_verifier(config));
    ATTESTD_CHECK(read_endorsement_files(config.verifier.endorsements));
    return {};
}

Result<void> run_daemon(const std::filesystem::path& config_file, Config config) {
    ATTESTD_CHECK(check_identity(config.identity));
    ATTESTD_CHECK(confine(places_of(config_file, config)));
    ATTESTD_TRY(const auto hardware,
                make_platform(config.platform, config.verifier.collateral.fetch_socket));
    RuntimeEvents events(host_system(), config.state_dir / "events.jsonl", running_boot_id());
    GuestLogPlatform platform(*hardware, host_system(), events);
    const ServiceManager manager;
    // Coroutines that the loop still holds at its end hold strands of the pool: it goes last.
    asio::thread_pool pool(kNumThreads + config.num_remote_sources());
    // One thread runs all of it: Asio need not lock.
    Io io(BOOST_ASIO_CONCURRENCY_HINT_1);
    const Strand platform_strand(pool.get_executor());
    const Strand store_strand(pool.get_executor());
    const Strand network_strand(pool.get_executor());
    ATTESTD_TRY(const auto agent, Agent::make(io, platform_strand, store_strand, network_strand,
                                              platform, events, config_file, std::move(config)));
    Daemon daemon(io, *agent, manager);
    const JoinedAtEnd joined{pool};
    ATTESTD_CHECK(daemon.listen());
    note_life(*agent->audit, "start", *agent->policy);
    log_event(LogLevel::info, "daemon.started",
              {{"config", to_hex(agent->policy->digest)},
               {"platform", std::string(platform.name())},
               {"identity", std::string(identity_level_name(running_kernel().level()))},
               {"binding", std::string(config_binding_name(agent->policy->config_binding))}});
    spawn(io, daemon.run());
    io.run();
    note_life(*agent->audit, "stop", *agent->policy);
    agent->audit->finish();
    pool.join();
    log_event(LogLevel::info, "daemon.stopped");
    return {};
}

}  // namespace attestd
