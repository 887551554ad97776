// LoadClient: a closed loop of HTTP requests over Unix connections, with each answer checked and
// timed.
//
// One thread drives all connections through epoll; on each connection the next request goes out
// when the answer to the last has come in whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::bench {

class LoadClient final {
 public:
    /// Opens `num_connections` connections that stay open.
    [[nodiscard]] static Result<LoadClient> connect(const std::filesystem::path& path,
                                                    int num_connections, std::string request);

    /// Sends `num_requests` requests over all connections together and waits for all answers.
    /// Appends each one's latency. An answer that is not 200 is an error, as is a closed
    /// connection.
    [[nodiscard]] Result<void> run(std::int64_t num_requests,
                                   std::vector<std::int64_t>& latencies_ns);

 private:
    struct Connection {
        Fd fd;
        std::string received;
        std::int64_t sent_at_ns = 0;
    };

    LoadClient(Fd epoll, std::string request)
        : epoll_(std::move(epoll)), request_(std::move(request)) {}
    [[nodiscard]] Result<void> send(Connection& connection) const;
    [[nodiscard]] Result<bool> receive(Connection& connection) const;

    Fd epoll_;
    std::string request_;
    std::vector<Connection> connections_;
};

/// One request on a connection of its own; the latency includes connecting.
[[nodiscard]] Result<std::int64_t> request_once(const std::filesystem::path& path,
                                                const std::string& request);

/// Whether `received` holds a whole answer with status 200. Errc::protocol for any other answer.
[[nodiscard]] Result<bool> whole_answer(std::string_view received);

/// The value below which the given part of all values lies; 0 when there is none.
[[nodiscard]] std::int64_t percentile(std::vector<std::int64_t>& values, double part);

[[nodiscard]] std::int64_t monotonic_ns();

}  // namespace attestd::bench
