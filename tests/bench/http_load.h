// The loop of every benchmark that sends HTTP requests, and its counters.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <string>

#include "tests/bench/load_client.h"

namespace attestd::bench {

/// CPU time that the server has used so far, in nanoseconds.
using ServerClock = std::function<std::int64_t()>;

/// Sends batches over `num_connections` open connections. Time per iteration is time per request.
/// Counters, in nanoseconds: cpu_per_request (the server's), p50 and p99 (latency).
void run_keep_alive(benchmark::State& state, const std::filesystem::path& socket,
                    int num_connections, const std::string& request,
                    const ServerClock& server_cpu_ns);

/// The same with a connection for each request.
void run_connecting(benchmark::State& state, const std::filesystem::path& socket,
                    const std::string& request, const ServerClock& server_cpu_ns);

}  // namespace attestd::bench
