#include "agent/api/server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/log.h"
#include "quote/base/unix_address.h"

namespace attestd {
namespace {

constexpr int kBacklog = 128;
constexpr auto kSweepInterval = std::chrono::milliseconds(500);
constexpr int kSweepsPerTidying = 20;  // every 10 s: rate limits, held-back denials
constexpr auto kPauseWithoutFds = std::chrono::milliseconds(20);

Result<Fd> new_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "socket");
    return fd;
}

// A socket file without anybody behind it is what a crash leaves.
Result<void> remove_stale(const ListenerConfig& listener, const UnixAddress& address) {
    struct stat st {};
    if (::lstat(listener.path.c_str(), &st) != 0) return {};
    if (!S_ISSOCK(st.st_mode)) {
        return fail(Errc::bad_config,
                    listener.path.string() + ": something else than a socket is in the way");
    }
    ATTESTD_TRY(const Fd probe, new_socket());
    if (::connect(probe.get(), address.get(), address.len()) == 0 || errno == EAGAIN) {
        return fail(Errc::too_busy, listener.path.string() + ": another process listens there");
    }
    if (::unlink(listener.path.c_str()) != 0) return fail_errno(errno, listener.path.string());
    return {};
}

}  // namespace

Result<Fd> bind_listener(const ListenerConfig& listener) {
    const std::string& path = listener.path.native();
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(path));
    if (::mkdir(listener.path.parent_path().c_str(), 0755) != 0 && errno != EEXIST) {
        return fail_errno(errno, listener.path.parent_path().string());
    }
    ATTESTD_CHECK(remove_stale(listener, address));
    ATTESTD_TRY(Fd fd, new_socket());
    // Nobody may connect before owner and mode are as configured: bound without any permission.
    const mode_t before = ::umask(0777);
    const int bound = ::bind(fd.get(), address.get(), address.len());
    const int error = errno;
    ::umask(before);
    if (bound != 0) return fail_errno(error, path);
    if (listener.group && ::lchown(path.c_str(), static_cast<uid_t>(-1), *listener.group) != 0) {
        return fail_errno(errno, "group of " + path);
    }
    if (::chmod(path.c_str(), listener.mode) != 0) return fail_errno(errno, path);
    return fd;
}

Result<void> check_inherited(const Fd& fd, std::string_view name) {
    const auto option = [&](int which) {
        int value = -1;
        socklen_t len = sizeof value;
        return ::getsockopt(fd.get(), SOL_SOCKET, which, &value, &len) == 0 ? value : -1;
    };
    if (option(SO_DOMAIN) == AF_UNIX && option(SO_TYPE) == SOCK_STREAM &&
        option(SO_ACCEPTCONN) == 1)
        return {};
    return fail(Errc::wrong_type,
                fmt::format("the descriptor \"{}\" that systemd passed is no listening "
                            "Unix stream socket",
                            name));
}

Server::Server(Io& io, Agent& agent, Handler& handler, const Kernel& kernel)
    : io_(io),
      agent_(agent),
      handler_(handler),
      kernel_(kernel),
      reserve_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      sweep_(io) {}

Result<void> Server::add(const ListenerConfig& listener, Fd socket) {
    // On the listening socket, so that not even the first message of a connection is missed.
    const int on = 1;
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
        return fail_errno(errno, "SO_PASSCRED");
    }
    if (::listen(socket.get(), kBacklog) != 0) return fail_errno(errno, listener.path.string());
    Acceptor acceptor(io_);
    error_code ec;
    acceptor.assign(asio::local::stream_protocol(), socket.get(), ec);
    if (ec) return fail(Errc::io_failed, ec.message());
    static_cast<void>(socket.release());
    listening_.emplace_back(listener, std::move(acceptor));
    return {};
}

void Server::start() {
    for (Listening& listening : listening_) spawn(io_, accept_loop(listening));
    spawn(io_, sweep_loop());
}

Task<void> Server::accept_loop(Listening& listening) {
    Timer pause(io_);
    while (!stopping_) {
        auto [ec, socket] = co_await listening.acceptor.async_accept(asio::as_tuple(use_task));
        if (stopping_ || ec == asio::error::operation_aborted) break;
        if (!ec) {
            admit(listening.config, std::move(socket));
            continue;
        }
        if (ec == asio::error::no_descriptors || ec.value() == ENFILE) shed_one(listening);
        pause.expires_after(kPauseWithoutFds);
        co_await wait_for(pause);
    }
}

// Without a free descriptor a waiting connection would keep the listener readable for ever: take it
// with the reserve and end it.
void Server::shed_one(Listening& listening) {
    ++agent_.metrics.connections_refused;
    reserve_.reset();
    {
        const Fd ended_here(
            ::accept4(listening.acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
    }
    reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

Result<Peer> Server::identify(const ListenerConfig& listener, Socket& socket) {
    const Limits& limits = agent_.policy->limits;
    if (connections_.size() >= limits.connections)
        return fail(Errc::too_busy, "too many connections");
    ATTESTD_TRY(const PeerCredentials peer, kernel_.peer_credentials(socket.native_handle()));
    const auto same_uid = per_uid_.find(peer.uid);
    if (same_uid != per_uid_.end() && same_uid->second >= limits.connections_per_uid) {
        return fail(Errc::too_busy, "too many connections of this uid");
    }
    return Peer::identify(kernel_, socket.native_handle(), listener.name, agent_.policy->identity);
}

void Server::admit(const ListenerConfig& listener, Socket socket) {
    auto peer = identify(listener, socket);
    if (!peer) return turn_away(socket, listener, peer.error());
    const uid_t uid = peer->caller().peer.uid;
    const std::uint64_t id = next_id_++;
    auto connection = std::make_shared<Connection>(agent_, handler_, listener, id,
                                                   std::move(socket), *std::move(peer));
    ++agent_.metrics.connections;
    ++per_uid_[uid];
    connections_.emplace(id, connection);
    spawn(io_, serve(std::move(connection)));
}

// One attempt to say why, without waiting: the answer fits into any socket's buffer.
void Server::turn_away(Socket& socket, const ListenerConfig& listener, const Error& error) {
    ++agent_.metrics.connections_refused;
    ++agent_.metrics.denials[error.code];
    Caller nobody{};
    if (const auto peer = kernel_.peer_credentials(socket.native_handle())) nobody.peer = *peer;
    nobody.socket = listener.name;
    AuditEvent event;
    event.method = "connect";
    event.reason = errc_name(error.code);
    event.detail = error.detail;
    event.caller = &nobody;
    agent_.audit->note_denial(event, caller_members(nobody));

    const Response response = problem(error.code, errc_meaning(error.code));
    const std::string text = fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
        "Connection: close\r\n\r\n{}",
        response.status, reason_phrase(response.status), response.content_type,
        response.body.size(), response.body);
    static_cast<void>(
        ::send(socket.native_handle(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

Task<void> Server::serve(std::shared_ptr<Connection> connection) {
    try {
        co_await connection->serve();
    } catch (const std::exception& e) {
        // A bug of ours costs this connection and nothing else.
        log_event(LogLevel::error, "connection.bug", {{"what", e.what()}});
        connection->close();
    }
    const uid_t uid = connection->peer().caller().peer.uid;
    if (const auto it = per_uid_.find(uid); it != per_uid_.end() && --it->second == 0)
        per_uid_.erase(it);
    connections_.erase(connection->id());
}

Task<void> Server::sweep_loop() {
    for (int n = 1; !stopping_ || !connections_.empty(); ++n) {
        sweep_.expires_after(kSweepInterval);
        co_await wait_for(sweep_);
        const auto now = Connection::Clock::now();
        for (const auto& [id, connection] : connections_) {
            if (now >= connection->deadline()) connection->close();
        }
        if (n % kSweepsPerTidying != 0) continue;
        agent_.limiter.sweep(agent_.policy->limits, BootClock::now());
        agent_.audit->flush_denials(AuditLog::Flush::due);
    }
}

Task<void> Server::stop(Connection::Clock::duration patience) {
    stopping_ = true;
    for (Listening& listening : listening_) {
        error_code ignored;
        listening.acceptor.close(ignored);
    }
    for (const auto& [id, connection] : connections_) connection->drain();
    Timer tick(io_);
    const auto give_up = Connection::Clock::now() + patience;
    while (!connections_.empty() && Connection::Clock::now() < give_up) {
        tick.expires_after(std::chrono::milliseconds(20));
        co_await wait_for(tick);
    }
    for (const auto& [id, connection] : connections_) connection->close();
    sweep_.cancel();
}

}  // namespace attestd
