// floor/epoll/1, 16, 64 and floor/epoll/connect: what a request over a Unix socket costs when the
// server does nothing. nginx/16: what it costs one that sends a file of the same size.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/bench/child_process.h"
#include "tests/bench/epoll_server.h"
#include "tests/bench/http_load.h"
#include "tests/bench/options.h"
#include "tests/bench/unix_socket.h"
#include "tests/support/temp_dir.h"

namespace attestd::bench {
namespace {

const std::string kRequest = "GET /v1/secrets/bench HTTP/1.1\r\nHost: attestd\r\n\r\n";

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
    run_keep_alive(state, dir / "floor.sock", num_connections, kRequest,
                   [&server] { return (*server)->cpu_ns(); });
}

void epoll_connect(benchmark::State& state) {
    const test::TempDir dir;
    const auto server = EpollServer::start(dir / "floor.sock", prebuilt_answer());
    if (!server) {
        state.SkipWithError(to_string(server.error()).c_str());
        return;
    }
    run_connecting(state, dir / "floor.sock", kRequest, [&server] { return (*server)->cpu_ns(); });
}

// One process, no record of requests, connections that stay open: as cheap as nginx gets.
constexpr std::string_view kNginxConfig = R"(
daemon off; master_process off; worker_processes 1; {1}
pid {0}/nginx.pid; error_log {0}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000000000; sendfile on; default_type application/octet-stream;
  client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3;
  uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5;
  server {{ listen unix:{0}/nginx.sock; root {0}/files; }}
}}
)";

void nginx(benchmark::State& state, int num_connections) {
    constexpr const char* kProgram = "/usr/sbin/nginx";
    if (::access(kProgram, X_OK) != 0)
        return state.SkipWithError("nginx is not there: install nginx-light");
    const test::TempDir dir;
    dir.write("files/v1/secrets/bench", std::string_view("ssssssssssssssssssssssssssssssss"));
    const auto config =
        dir.write("nginx.conf", fmt::format(fmt::runtime(kNginxConfig), dir.path().string(),
                                            ::getuid() == 0 ? "user root;" : ""));
    const auto server = ChildProcess::start(
        {kProgram, "-p", dir.path().string(), "-c", config.string()}, dir / "nginx.log");
    if (!server) return state.SkipWithError(to_string(server.error()).c_str());
    for (int i = 0; i < 1000 && !connect_to(dir / "nginx.sock"); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    run_keep_alive(state, dir / "nginx.sock", num_connections, kRequest,
                   [&server] { return server->cpu_ns(); });
}

}  // namespace

void register_http_floor() {
    benchmark::RegisterBenchmark("floor/epoll/connect", epoll_connect);
    benchmark::RegisterBenchmark("nginx/16", nginx, 16);
    for (const int n : {1, 16, 64}) {
        benchmark::RegisterBenchmark(fmt::format("floor/epoll/{}", n).c_str(), epoll_floor, n);
    }
}

}  // namespace attestd::bench
