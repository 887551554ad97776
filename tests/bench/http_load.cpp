#include "tests/bench/http_load.h"

namespace attestd::bench {
namespace {

constexpr std::int64_t kRoundsPerBatch =
    32;  // requests on each connection between two looks at the clock

void report(benchmark::State& state, std::vector<std::int64_t>& latencies, std::int64_t cpu_ns) {
    if (latencies.empty()) return;
    const auto num_requests = static_cast<double>(latencies.size());
    state.counters["cpu_per_request"] = static_cast<double>(cpu_ns) / num_requests;
    state.counters["p50"] = static_cast<double>(percentile(latencies, 0.5));
    state.counters["p99"] = static_cast<double>(percentile(latencies, 0.99));
    state.SetItemsProcessed(static_cast<std::int64_t>(latencies.size()));
}

}  // namespace

void run_keep_alive(benchmark::State& state, const std::filesystem::path& socket,
                    int num_connections, const std::string& request,
                    const ServerClock& server_cpu_ns) {
    auto client = LoadClient::connect(socket, num_connections, request);
    if (!client) {
        state.SkipWithError(to_string(client.error()).c_str());
        return;
    }
    std::vector<std::int64_t> latencies;
    if (const auto warm = client->run(num_connections, latencies); !warm) {
        state.SkipWithError(to_string(warm.error()).c_str());
        return;
    }
    latencies.clear();
    const std::int64_t batch = kRoundsPerBatch * num_connections;
    const std::int64_t cpu_before = server_cpu_ns();
    while (state.KeepRunningBatch(batch)) {
        if (const auto done = client->run(batch, latencies); !done) {
            state.SkipWithError(to_string(done.error()).c_str());
            return;
        }
    }
    report(state, latencies, server_cpu_ns() - cpu_before);
}

void run_connecting(benchmark::State& state, const std::filesystem::path& socket,
                    const std::string& request, const ServerClock& server_cpu_ns) {
    std::vector<std::int64_t> latencies;
    const std::int64_t cpu_before = server_cpu_ns();
    for (auto _ : state) {
        const auto latency = request_once(socket, request);
        if (!latency) {
            state.SkipWithError(to_string(latency.error()).c_str());
            return;
        }
        latencies.push_back(*latency);
    }
    report(state, latencies, server_cpu_ns() - cpu_before);
}

}  // namespace attestd::bench
