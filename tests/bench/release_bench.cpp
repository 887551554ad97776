// release/1, 16, 64 and release/connect: a secret from the real daemon, identified, authorised and
// audited; release/16/slow: the same beside a thousand clients that never finish their request.
// memory/idle and memory/1000: what it keeps, alone and with a thousand callers.
//
// attestd runs as its own process with its external platform, attestd-devsim; limits that would
// slow a load down are raised by its configuration, and nothing else is different from production.
// What the server costs is the process's CPU time, all threads.
#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "tests/bench/child_process.h"
#include "tests/bench/http_load.h"
#include "tests/bench/load_client.h"
#include "tests/bench/options.h"
#include "tests/bench/slow_clients.h"
#include "tests/bench/unix_socket.h"
#include "tests/support/temp_dir.h"

namespace attestd::bench {
namespace {

constexpr int kStartTries =
    6000;  // of 20 ms: the emulator searches primes, and machines may be busy
constexpr std::int64_t kStartLimitNs = 30'000'000'000;
const std::string kGetSecret = "GET /v1/secrets/bench HTTP/1.1\r\nHost: attestd\r\n\r\n";
const std::string kPutSecret =
    "PUT /v1/admin/secrets/bench HTTP/1.1\r\nHost: attestd\r\nContent-Type: "
    "application/octet-stream\r\n"
    "Content-Length: 32\r\n\r\n" +
    std::string(32, 's');

constexpr std::string_view kPolicy = R"({"snp": {"measurement": "any", "host_data": "any",
  "id_key_digest": "any", "author_key_digest": "any", "csp_ids": "any", "min_tcb": "any"}})";

std::string machine_root(const test::TempDir& dir) {
    return fmt::format("\"{}/machine/root.der\"", dir.path().string());
}

// `machine` is the folder of the emulator.
std::string config_text(const test::TempDir& dir, const test::TempDir& machine,
                        const std::string& trust_anchors) {
    return fmt::format(R"({{
  "platform": {{"type": "external", "socket": "{4}/platform.sock"}},
  "verifier": {{"type": "local", "policy": "{0}/appraisal.json", "max_age": "1h",
               "trust_anchors": [{3}]}},
  "state_dir": "{0}/state",
  "sources": {{"store": {{"type": "store", "measured_image": true}}}},
  "listeners": [{{"name": "app", "path": "{0}/app.sock"}},
                {{"name": "admin", "path": "{0}/admin.sock", "kind": "admin"}}],
  "workloads": {{"app": {{"match": [{{"socket": "app", "uid": {1}}}], "allow_root": {2}}}}},
  "secrets": {{"bench": {{"source": "store", "allow": ["app"], "test": true}}}},
  "limits": {{"connections": 4096, "connections_per_uid": 4096, "idle_timeout": "10m",
             "request_timeout": "10m",
             "requests": {{"per_second": 1000000, "burst": 1000000}}}}
}})",
                       dir.path().string(), ::getuid(), ::getuid() == 0, trust_anchors,
                       machine.path().string());
}

Result<void> wait_for(const std::filesystem::path& socket, const std::string& request) {
    Result<std::int64_t> answered = std::int64_t{0};
    for (int i = 0; i < kStartTries; ++i) {
        answered = request_once(socket, request);
        if (answered) return {};
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return tl::make_unexpected(answered.error());
}

class Agent final {
 public:
    /// On a machine of its own, or on that of another, whose keys took their time.
    static Result<std::unique_ptr<Agent>> start(const Options& options,
                                                const Agent* other = nullptr) {
        std::unique_ptr<Agent> out(new Agent);
        if (other == nullptr) ATTESTD_CHECK(out->start_machine(options));
        ATTESTD_CHECK(out->start_daemon(options, other == nullptr ? out->dir_ : other->dir_));
        return out;
    }

    [[nodiscard]] std::filesystem::path socket() const { return dir_ / "app.sock"; }
    [[nodiscard]] std::int64_t cpu_ns() const noexcept { return daemon_->cpu_ns(); }
    [[nodiscard]] std::int64_t resident_len() const { return daemon_->resident_len(); }

 private:
    Agent() = default;

    Result<void> start_machine(const Options& options) {
        const std::string dir = dir_.path();
        ATTESTD_TRY(ChildProcess devsim,
                    ChildProcess::start({options.devsim, "--dir", dir + "/machine", "--tee", "snp",
                                         "--socket", dir + "/platform.sock"},
                                        dir + "/devsim.log"));
        devsim_ = std::make_unique<ChildProcess>(std::move(devsim));
        return wait_for(dir + "/machine/control.sock",
                        "GET /v1/control HTTP/1.1\r\nHost: devsim\r\n\r\n");
    }

    Result<void> start_daemon(const Options& options, const test::TempDir& machine) {
        const std::string dir = dir_.path();
        std::filesystem::create_directory(dir + "/state");
        std::filesystem::permissions(dir + "/state", std::filesystem::perms::owner_all);
        dir_.write("appraisal.json", kPolicy);
        const auto config =
            dir_.write("attestd.json", config_text(dir_, machine, machine_root(machine)));
        ATTESTD_TRY(ChildProcess daemon, ChildProcess::start({options.attestd, "--config", config},
                                                             dir + "/attestd.log"));
        daemon_ = std::make_unique<ChildProcess>(std::move(daemon));
        ATTESTD_CHECK(wait_for(socket(), "GET /v1/health HTTP/1.1\r\nHost: attestd\r\n\r\n"));
        ATTESTD_CHECK(request_once(dir + "/admin.sock", kPutSecret));
        return wait_for(socket(), kGetSecret);
    }

    test::TempDir dir_;
    std::unique_ptr<ChildProcess> devsim_, daemon_;
};

// One daemon for all of these, started by the first that runs; ended by stop_agent().
std::unique_ptr<Agent>& the_agent() {
    static std::unique_ptr<Agent> agent;
    return agent;
}

const Agent* running_agent(benchmark::State& state, const Options& options) {
    if (!the_agent()) {
        auto started = Agent::start(options);
        if (!started) {
            state.SkipWithError(to_string(started.error()).c_str());
            return nullptr;
        }
        the_agent() = *std::move(started);
    }
    return the_agent().get();
}

void release(benchmark::State& state, const Options& options, int num_connections) {
    const Agent* const agent = running_agent(state, options);
    if (agent == nullptr) return;
    run_keep_alive(state, agent->socket(), num_connections, kGetSecret,
                   [agent] { return agent->cpu_ns(); });
}

void release_beside_slow(benchmark::State& state, const Options& options) {
    constexpr int kSlowClients = 1000, kConnections = 16;
    const Agent* const agent = running_agent(state, options);
    if (agent == nullptr) return;
    const auto slow = SlowClients::start(agent->socket(), kSlowClients);
    if (!slow) return state.SkipWithError(to_string(slow.error()).c_str());
    run_keep_alive(state, agent->socket(), kConnections, kGetSecret,
                   [agent] { return agent->cpu_ns(); });
}

void release_connect(benchmark::State& state, const Options& options) {
    const Agent* const agent = running_agent(state, options);
    if (agent == nullptr) return;
    run_connecting(state, agent->socket(), kGetSecret, [agent] { return agent->cpu_ns(); });
}

void report_memory(benchmark::State& state, const Agent& agent) {
    for (auto _ : state) benchmark::DoNotOptimize(agent.resident_len());
    state.counters["resident"] = static_cast<double>(agent.resident_len());
}

// Of daemons that have done nothing else.
void memory_idle(benchmark::State& state, const Options& options) {
    const Agent* const machine = running_agent(state, options);
    if (machine == nullptr) return;
    auto fresh = Agent::start(options, machine);
    if (!fresh) return state.SkipWithError(to_string(fresh.error()).c_str());
    report_memory(state, **fresh);
}

void memory_connected(benchmark::State& state, const Options& options) {
    constexpr int kCallers = 1000;
    const Agent* const machine = running_agent(state, options);
    if (machine == nullptr) return;
    auto fresh = Agent::start(options, machine);
    if (!fresh) return state.SkipWithError(to_string(fresh.error()).c_str());
    auto client = LoadClient::connect((*fresh)->socket(), kCallers, kGetSecret);
    if (!client) return state.SkipWithError(to_string(client.error()).c_str());
    std::vector<std::int64_t> latencies;
    if (const auto done = client->run(kCallers, latencies); !done)
        return state.SkipWithError(to_string(done.error()).c_str());
    report_memory(state, **fresh);
}

// From exec to the first accepted connection, with a platform that nobody answers for.
void start_ready(benchmark::State& state, const Options& options) {
    for (auto _ : state) {
        const test::TempDir dir;
        std::filesystem::create_directories(dir.path() / "state");
        std::filesystem::permissions(dir.path() / "state", std::filesystem::perms::owner_all);
        dir.write("appraisal.json", kPolicy);
        const auto config = dir.write("attestd.json", config_text(dir, dir, /*trust_anchors=*/""));
        const std::int64_t from = monotonic_ns();
        const auto daemon =
            ChildProcess::start({options.attestd, "--config", config}, dir / "attestd.log");
        if (!daemon) return state.SkipWithError(to_string(daemon.error()).c_str());
        while (!connect_to(dir / "app.sock")) {
            if (monotonic_ns() - from > kStartLimitNs)
                return state.SkipWithError("attestd did not come up");
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        state.SetIterationTime(static_cast<double>(monotonic_ns() - from) / 1e9);
    }
}

}  // namespace

void register_release(const Options& options) {
    for (const int n : {1, 16, 64}) {
        benchmark::RegisterBenchmark(fmt::format("release/{}", n).c_str(), release, options, n);
    }
    benchmark::RegisterBenchmark("release/16/slow", release_beside_slow, options);
    benchmark::RegisterBenchmark("release/connect", release_connect, options);
    benchmark::RegisterBenchmark("memory/idle", memory_idle, options)->Iterations(1);
    benchmark::RegisterBenchmark("memory/1000", memory_connected, options)->Iterations(1);
    benchmark::RegisterBenchmark("start/ready", start_ready, options)
        ->Iterations(3)
        ->UseManualTime();
}

void stop_agent() { the_agent().reset(); }

}  // namespace attestd::bench
