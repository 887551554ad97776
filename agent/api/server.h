// Server: the listening sockets, who is let in, and the sweep that ends what takes too long.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <unordered_map>

#include "agent/api/connection.h"

namespace attestd {

/// Makes the socket of `listener`: bound, with its owner and mode, not yet accepting. A socket that
/// is left from an earlier run is replaced; one on which somebody listens is Errc::too_busy.
[[nodiscard]] Result<Fd> bind_listener(const ListenerConfig& listener);

/// Checks that an inherited descriptor is a listening Unix stream socket: Errc::wrong_type; for a
/// listener that says `loopback_tcp`, what check_loopback_listener() says.
[[nodiscard]] Result<void> check_inherited(const Fd& fd, const ListenerConfig& listener);

class Server final : private ConnectionHost {
 public:
    Server(Io& io, Agent& agent, Handler& handler, const Kernel& kernel);

    /// Takes a bound socket and begins to listen. `listener` outlives the server.
    [[nodiscard]] Result<void> add(const ListenerConfig& listener, Fd socket);

    /// Accepts from now on.
    void start();

    /// Accepts no more and lets requests in hand finish, until `patience` is over.
    [[nodiscard]] Task<void> stop(Connection::Clock::duration patience);

    [[nodiscard]] std::size_t num_connections() const noexcept { return connections_.size(); }
    template <class F>
    void for_each(F&& use) const {
        for (const auto& [id, connection] : connections_) use(*connection);
    }

 private:
    struct Listening final : Watcher {
        Listening(Server& owner, const ListenerConfig& which, Fd fd)
            : server(owner), config(which), socket(std::move(fd)) {}
        void on_ready(std::uint32_t) override { server.accept_some(*this); }
        Server& server;
        const ListenerConfig& config;
        Fd socket;
        bool is_watched = false;
    };

    // ConnectionHost.
    Io& io() override { return io_; }
    Poller& poller() override { return poller_; }
    TurnLook& look() override { return look_; }
    void has_more(Connection& connection) override;
    void has_release(Connection& connection) override;
    void has_ended(Connection& connection) override;

    [[nodiscard]] Task<void> turn_loop();
    [[nodiscard]] bool turn();
    void finish_releases();
    [[nodiscard]] Task<void> sweep_loop();
    void close_overdue();
    void accept_some(Listening& listening);
    void admit_or_drop(const ListenerConfig& listener, Fd socket);
    void admit(const ListenerConfig& listener, Fd socket);
    [[nodiscard]] Result<Peer> identify(const ListenerConfig& listener, int socket);
    void turn_away(int socket, const ListenerConfig& listener, const Error& error);
    void shed_one(Listening& listening);
    void listen_again();

    Io& io_;
    Agent& agent_;
    Handler& handler_;
    const Kernel& kernel_;
    Poller poller_;
    std::list<Listening> listening_;
    std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;
    std::unordered_map<uid_t, std::uint32_t> per_uid_;
    std::uint64_t next_id_ = 1;
    Fd reserve_;            // given up for an instant when descriptors run out
    bool is_deaf_ = false;  // not even the reserve was to be had: until the next sweep
    // Of this turn.
    std::vector<std::shared_ptr<Connection>> ended_;  // they may still be on the stack
    std::vector<std::shared_ptr<Connection>> more_;
    std::vector<Connection*> releasing_;  // held by connections_ or ended_
    std::vector<pollfd> pidfds_;
    TurnLook look_;
    Timer sweep_;
    bool stopping_ = false;  // no further callers
    bool stopped_ = false;   // no further turns
};

}  // namespace attestd
