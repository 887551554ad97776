// Connection: one caller on one socket: requests in, answers out, until it ends or is ended.
//
// It is told by the poller what is ready and never waits itself. A request that is answered from
// memory is answered within that turn of the loop; any other is handled by a coroutine, and the
// connection reads on when that has answered.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <limits>
#include <memory>

#include "agent/agent.h"
#include "agent/api/connection_limits.h"
#include "agent/api/http.h"
#include "agent/api/poller.h"
#include "agent/api/ready_release.h"
#include "agent/api/wire.h"
#include "agent/release/release.h"

namespace attestd {

class Connection;

/// What became of a request that was tried without waiting.
enum class AtOnce : std::uint8_t {
    no,        ///< nothing was done: handle() it
    refused,   ///< and said so in the response
    releasing  ///< Connection::ready() goes out once the turn's records are written
};

/// Answers requests. The connection outlives the call; the request's views are good throughout.
class Handler {
 public:
    virtual ~Handler() = default;
    [[nodiscard]] virtual Task<Response> handle(Connection& connection, Request& request) = 0;
    /// For a request like the last one on this connection, from memory.
    [[nodiscard]] virtual AtOnce try_at_once(Connection& connection, const Request& request,
                                             Response& refusal) = 0;
};

/// Who holds connections. Calls come from the event loop's thread.
class ConnectionHost {
 public:
    [[nodiscard]] virtual Io& io() = 0;
    [[nodiscard]] virtual Poller& poller() = 0;
    /// Emptied with each turn.
    [[nodiscard]] virtual TurnLook& look() = 0;
    /// Bytes of a further request are here: Connection::go_on() with the next turn.
    virtual void has_more(Connection& connection) = 0;
    /// Connection::finish_release() when the turn's records are written.
    virtual void has_release(Connection& connection) = 0;
    /// It is closed and nothing of it runs any more: to be forgotten after this turn.
    virtual void has_ended(Connection& connection) = 0;

 protected:
    ~ConnectionHost() = default;
};

class Connection final : public std::enable_shared_from_this<Connection>, private Watcher {
 public:
    using Clock = std::chrono::steady_clock;

    Connection(Agent& agent, Handler& handler, ConnectionHost& host, const ListenerConfig& listener,
               std::uint64_t id, Fd socket, Peer peer);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// Serves from now on. Called once, by the host, which holds the connection. Errors of
    /// Poller::add().
    [[nodiscard]] Result<void> begin();
    /// Looks at what was read before.
    void go_on();

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
    [[nodiscard]] bool is_open() const noexcept { return state_ != State::closed; }

    /// For routes: who asks, and a timer that close() cancels.
    [[nodiscard]] Asker asker() const noexcept { return {peer_, audit_text_, id_, request_began_}; }
    [[nodiscard]] Timer& timer();
    /// The caller's workloads under the present policy. The views live as long as that.
    [[nodiscard]] const std::vector<std::string_view>& workloads();

    /// Peer::recheck_facts() within this turn: for a release in hand, whose pidfd is looked at
    /// later.
    [[nodiscard]] Result<void> recheck_facts() const;
    /// The last release on this connection; none before the first.
    [[nodiscard]] const ReadyRelease* ready() const noexcept { return ready_.get(); }
    /// Of the request in hand.
    void set_ready(ReadyRelease ready);
    /// For a release in hand: the value that goes out, and when its source's word for it ends.
    void set_value(std::shared_ptr<const Secret> value, std::optional<BootTime> ends) noexcept {
        value_ = std::move(value);
        value_ends_ = ends;
    }
    [[nodiscard]] std::chrono::microseconds latency() const noexcept;
    /// Sends the release in hand, or the error.
    void finish_release(const Result<void>& recorded);

 private:
    enum class State : std::uint8_t { reading, busy, writing, closed };
    static constexpr auto kHeadIsOther = std::numeric_limits<std::int64_t>::min();
    struct ExitWatcher final : Watcher {
        explicit ExitWatcher(Connection& watched) noexcept : connection(watched) {}
        void on_ready(std::uint32_t) override { connection.close(); }

     private:
        Connection& connection;
    };

    template <class F>
    void guarded(F&& act) noexcept;
    void on_ready(std::uint32_t events) override;
    void read();
    void process();
    [[nodiscard]] Result<bool> read_head();
    [[nodiscard]] Result<void> begin_body();
    [[nodiscard]] std::span<std::uint8_t> free_space();
    [[nodiscard]] bool brings_document() const noexcept;
    [[nodiscard]] std::size_t body_limit(const RequestHead& head) const noexcept;
    void answer();
    [[nodiscard]] Task<Result<void>> inspect();
    [[nodiscard]] Task<void> meet();
    [[nodiscard]] Task<void> handle();
    [[nodiscard]] Response refuse_caller();
    void refuse(const Error& error);
    void respond(Response response);
    void send_release(const Result<void>& recorded);
    void send_on();
    void after_answer();
    void consume() noexcept;
    void want(std::uint32_t events) noexcept;

    Agent& agent_;
    Handler& handler_;
    ConnectionHost& host_;
    const ListenerConfig& listener_;
    std::uint64_t id_;
    Wire wire_;
    Peer peer_;
    std::string audit_text_;
    ExitWatcher exit_;
    std::optional<Timer> timer_;
    State state_ = State::reading;
    std::uint32_t wanted_;  // what the poller tells of

    Bytes buffer_;
    std::size_t buffered_ = 0;  // bytes in buffer_
    std::size_t consumed_ = 0;  // of them, used by the request in hand
    Request request_;
    bool in_request_ = false;  // its first byte has come
    bool has_head_ = false;
    std::span<std::uint8_t> body_rest_;  // of the body, what has not come yet

    Response response_;
    std::string head_;  // of the answer
    std::size_t sent_ = 0;
    bool keep_alive_ = true;

    Clock::time_point opened_, deadline_, request_began_;
    std::uint64_t num_requests_ = 0;
    bool draining_ = false;
    Result<void> known_;       // what attestd-inspect said, where it was asked
    PolicyPtr inspected_for_;  // the policy that said what to ask about the caller
    PolicyPtr workloads_of_;   // the policy under which workloads_ was found
    std::vector<std::string_view> workloads_;
    std::unique_ptr<const ReadyRelease> ready_;
    std::string ready_question_;  // the head of the request that ready_ answers, as it came
    RequestHead ready_request_;   // the same, parsed: its views point into the former
    std::int64_t head_keeps_ = kHeadIsOther;  // how long head_ says, while it is ready_'s
    std::shared_ptr<const Secret> value_;
    std::optional<BootTime> value_ends_;
};

/// The head of `response` with a body of `body_len` bytes.
[[nodiscard]] std::string format_head(const Response& response, std::size_t body_len,
                                      bool keep_alive);

}  // namespace attestd
