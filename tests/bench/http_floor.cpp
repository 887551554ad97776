// floor/epoll/1, 16 and 64: what a request over a Unix socket costs when the server does nothing.
#include <fmt/format.h>

#include "tests/bench/epoll_server.h"
#include "tests/bench/http_load.h"
#include "tests/bench/options.h"
#include "tests/support/temp_dir.h"

namespace attestd::bench {
namespace {

// Of the shape of the daemon's answer: a secret of 32 bytes, with the same header fields.
std::string prebuilt_answer() {
    return fmt::format(
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: application/octet-stream\r\n"
        "ETag: \"1\"\r\n"
        "Cache-Control: no-store\r\n"
        "Content-Length: 32\r\n\r\n{}",
        std::string(32, 's'));
}

void epoll_floor(benchmark::State& state, int num_connections) {
    const test::TempDir dir;
    const auto server = EpollServer::start(dir / "floor.sock", prebuilt_answer());
    if (!server) {
        state.SkipWithError(to_string(server.error()).c_str());
        return;
    }
    const std::string request = "GET /v1/secrets/bench HTTP/1.1\r\nHost: attestd\r\n\r\n";
    run_keep_alive(state, dir / "floor.sock", num_connections, request,
                   [&server] { return (*server)->cpu_ns(); });
}

}  // namespace

void register_http_floor() {
    for (const int n : {1, 16, 64}) {
        benchmark::RegisterBenchmark(fmt::format("floor/epoll/{}", n).c_str(), epoll_floor, n);
    }
}

}  // namespace attestd::bench
