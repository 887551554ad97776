// Connection: one caller on one socket: requests in, answers out, until it ends or is ended.
#pragma once

#include <fmt/format.h>

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <chrono>
#include <memory>

#include "agent/agent.h"
#include "agent/api/connection_limits.h"
#include "agent/api/http.h"
#include "agent/api/wire.h"
#include "agent/release/release.h"

namespace attestd {

class Connection;

/// Answers requests. The connection outlives the call; the request's views are good throughout.
class Handler {
 public:
    virtual ~Handler() = default;
    [[nodiscard]] virtual Task<Response> handle(Connection& connection, Request& request) = 0;
};

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
    using Clock = std::chrono::steady_clock;

    Connection(Agent& agent, Handler& handler, const ListenerConfig& listener, std::uint64_t id,
               Socket socket, Peer peer);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Serves until the connection ends. Called once, by the server, which holds the connection.
    [[nodiscard]] Task<void> serve();

    /// Ends it: everything that waits returns.
    void close() noexcept;
    /// Ends it as soon as the request in hand, if any, is answered.
    void drain() noexcept;

    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] const Peer& peer() const noexcept { return peer_; }
    [[nodiscard]] const ListenerConfig& listener() const noexcept { return listener_; }
    [[nodiscard]] Clock::time_point deadline() const noexcept { return deadline_; }
    [[nodiscard]] Clock::time_point opened() const noexcept { return opened_; }
    [[nodiscard]] std::uint64_t num_requests() const noexcept { return num_requests_; }
    [[nodiscard]] bool is_open() const noexcept { return wire_.is_open(); }

    /// For routes: who asks, and a timer that close() cancels.
    [[nodiscard]] Asker asker() const noexcept { return {peer_, audit_text_, id_, request_began_}; }
    [[nodiscard]] Timer& timer() noexcept { return timer_; }
    /// The caller's workloads under the present policy. The views live as long as that.
    [[nodiscard]] const std::vector<std::string_view>& workloads();

 private:
    [[nodiscard]] Task<Result<void>> inspect();
    [[nodiscard]] Task<Result<bool>> read_request(Request& request);
    [[nodiscard]] Task<Result<bool>> read_head(Request& request);
    [[nodiscard]] Task<Result<void>> read_body(Request& request);
    [[nodiscard]] Task<Result<std::size_t>> receive(std::span<std::uint8_t> into);
    [[nodiscard]] Task<bool> respond(Response response, bool keep_alive);
    [[nodiscard]] std::size_t body_limit(const RequestHead& head) const noexcept;
    void format_head(const Response& response, std::size_t body_len, bool keep_alive);
    void consume() noexcept;
    void watch_peer();

    Agent& agent_;
    Handler& handler_;
    const ListenerConfig& listener_;
    std::uint64_t id_;
    Wire wire_;
    Peer peer_;
    std::string audit_text_;
    asio::posix::basic_stream_descriptor<Executor> watch_;  // borrows the peer's pidfd
    Timer timer_;
    std::array<std::uint8_t, kMaxHeadLen> buffer_;
    std::size_t buffered_ = 0;  // bytes in buffer_
    std::size_t consumed_ = 0;  // of them, used by the request in hand
    fmt::memory_buffer head_;   // of the answer
    Clock::time_point opened_, deadline_, request_began_;
    std::uint64_t num_requests_ = 0;
    bool draining_ = false;
    bool in_request_ = false;
    PolicyPtr inspected_for_;  // the policy that said what to ask about the caller
    PolicyPtr workloads_of_;   // the policy under which workloads_ was found
    std::vector<std::string_view> workloads_;
};

}  // namespace attestd
