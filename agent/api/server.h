// Server: the listening sockets, who is let in, and the sweep that ends what takes too long.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <list>
#include <map>
#include <memory>
#include <unordered_map>

#include "agent/api/connection.h"

namespace attestd {

/// Makes the socket of `listener`: bound, with its owner and mode, not yet accepting. A socket that
/// is left from an earlier run is replaced; one on which somebody listens is Errc::too_busy.
[[nodiscard]] Result<Fd> bind_listener(const ListenerConfig& listener);

/// Checks that an inherited descriptor is a listening Unix stream socket. Errc::wrong_type.
[[nodiscard]] Result<void> check_inherited(const Fd& fd, std::string_view name);

class Server final {
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
    using Acceptor = asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>;
    struct Listening {
        const ListenerConfig& config;
        Acceptor acceptor;
    };

    [[nodiscard]] Task<void> accept_loop(Listening& listening);
    [[nodiscard]] Task<void> sweep_loop();
    [[nodiscard]] Task<void> serve(std::shared_ptr<Connection> connection);
    void admit(const ListenerConfig& listener, Socket socket);
    [[nodiscard]] Result<Peer> identify(const ListenerConfig& listener, Socket& socket);
    void turn_away(Socket& socket, const ListenerConfig& listener, const Error& error);
    void shed_one(Listening& listening);

    Io& io_;
    Agent& agent_;
    Handler& handler_;
    const Kernel& kernel_;
    std::list<Listening> listening_;
    std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;
    std::unordered_map<uid_t, std::uint32_t> per_uid_;
    std::uint64_t next_id_ = 1;
    Fd reserve_;  // given up for an instant when descriptors run out
    Timer sweep_;
    bool stopping_ = false;
};

}  // namespace attestd
