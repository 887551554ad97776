#include "tests/bench/slow_clients.h"

#include <chrono>
#include <string_view>

#include "tests/bench/unix_socket.h"

namespace attestd::bench {
namespace {

constexpr std::string_view kBeginning =
    "GET /v1/secrets/bench HTTP/1.1\r\nHost: attestd\r\nX-Slow: ";

void send_bytes_slowly(const std::stop_token& stop, const std::vector<Fd>& connections) {
    constexpr auto kRound = std::chrono::seconds(1);
    const auto pause = std::chrono::microseconds(kRound) / connections.size();
    for (std::size_t i = 0; !stop.stop_requested(); i = (i + 1) % connections.size()) {
        static_cast<void>(::send(connections[i].get(), "a", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace

Result<SlowClients> SlowClients::start(const std::filesystem::path& path, int num) {
    std::vector<Fd> connections;
    for (int i = 0; i < num; ++i) {
        ATTESTD_TRY(Fd fd, connect_to(path));
        ATTESTD_CHECK(write_all(fd, as_bytes(kBeginning), "the beginning of a request"));
        connections.push_back(std::move(fd));
    }
    return SlowClients(std::move(connections));
}

SlowClients::SlowClients(std::vector<Fd> connections)
    : thread_([held = std::move(connections)](const std::stop_token& stop) {
          send_bytes_slowly(stop, held);
      }) {}

}  // namespace attestd::bench
