#include "agent/api/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/caller/loopback.h"
#include "agent/log.h"
#include "quote/base/unix_address.h"

namespace attestd {
namespace {

constexpr auto kSweepInterval = std::chrono::milliseconds(500);
constexpr int kSweepsPerTidying = 20;  // every 10 s: rate limits, held-back denials
constexpr int kTurnsInARow = 4;        // before other work of the loop has its turn
constexpr int kAcceptsPerTurn = 64;    // before those who are in have theirs

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

Result<void> check_inherited(const Fd& fd, const ListenerConfig& listener) {
    if (listener.loopback_tcp) return check_loopback_listener(fd.get(), listener.name);
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
                            "Unix stream socket{}",
                            listener.name,
                            listener.kind == ListenerKind::coco
                                ? "; a TCP socket on a loopback address takes \"loopback_tcp\""
                                : ""));
}

Server::Server(Io& io, Agent& agent, Handler& handler, const Kernel& kernel)
    : io_(io),
      agent_(agent),
      handler_(handler),
      kernel_(kernel),
      poller_(io),
      reserve_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      sweep_(io) {}

Result<void> Server::add(const ListenerConfig& listener, Fd socket) {
    // On the listening socket, so that not even the first message of a connection is missed.
    const int on = 1;
    if (!listener.loopback_tcp &&
        ::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
        return fail_errno(errno, "SO_PASSCRED");
    }
    const auto backlog = static_cast<int>(agent_.policy->limits.backlog);
    if (::listen(socket.get(), backlog) != 0) return fail_errno(errno, listener.path.string());
    // An inherited one may be blocking.
    const int flags = ::fcntl(socket.get(), F_GETFL);
    if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        return fail_errno(errno, listener.path.string());
    listening_.emplace_back(*this, listener, std::move(socket));
    return {};
}

void Server::start() {
    listen_again();
    spawn(io_, turn_loop());
    spawn(io_, sweep_loop());
}

void Server::listen_again() {
    is_deaf_ = false;
    for (Listening& listening : listening_) {
        if (listening.is_watched) continue;
        listening.is_watched = poller_.add(listening.socket.get(), EPOLLIN, listening).has_value();
        if (!listening.is_watched) is_deaf_ = true;  // no room in the kernel: the next sweep tries
    }
}

Task<void> Server::turn_loop() {
    while (!stopped_) {
        if (more_.empty()) {
            co_await poller_.wait();
        } else {
            co_await asio::post(use_task);
        }
        for (int i = 0; i < kTurnsInARow && turn(); ++i) {
        }
    }
}

// All that is ready: read, judged, recorded with one write, answered. False when nothing was.
bool Server::turn() {
    look_.clear();
    const auto more = std::exchange(more_, {});
    for (const auto& connection : more) connection->go_on();
    const std::size_t num_ready = poller_.dispatch();
    finish_releases();
    ended_.clear();
    return num_ready != 0 || !more.empty();
}

// Releases that were judged in this turn. Whoever has exited since is not among them any more; then
// the records are written, and then the secrets leave.
void Server::finish_releases() {
    if (releasing_.empty()) return;
    pidfds_.clear();
    for (const Connection* const c : releasing_)
        pidfds_.push_back({c->peer().pidfd().get(), POLLIN, 0});
    kernel_.look_for_exits(pidfds_);
    for (std::size_t i = 0; i < releasing_.size(); ++i) {
        Connection& connection = *releasing_[i];
        if (pidfds_[i].revents != 0 && connection.is_open()) {
            const Error gone{Errc::peer_exited, "the process that connected is gone"};
            deny(agent_, connection.asker(), kReleaseMethod,
                 connection.ready()->grant.secret().name, gone);
            connection.close();
        }
        if (connection.is_open())
            agent_.audit->append_release(connection.ready()->members, connection.latency());
    }
    const auto written = agent_.audit->write_now();
    for (Connection* const connection : releasing_) connection->finish_release(written);
    releasing_.clear();
}

void Server::has_more(Connection& connection) { more_.push_back(connection.shared_from_this()); }

void Server::has_release(Connection& connection) { releasing_.push_back(&connection); }

void Server::has_ended(Connection& connection) {
    const auto it = connections_.find(connection.id());
    if (it == connections_.end()) return;
    ended_.push_back(std::move(it->second));
    connections_.erase(it);
    const uid_t uid = connection.peer().caller().peer.uid;
    if (const auto user = per_uid_.find(uid); user != per_uid_.end() && --user->second == 0)
        per_uid_.erase(user);
}

void Server::accept_some(Listening& listening) {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
        Fd socket(
            ::accept4(listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (socket) {
            admit_or_drop(listening.config, std::move(socket));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            return shed_one(listening);
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

// Without a free descriptor a waiting connection would keep the listener readable for ever: take it
// with the reserve and end it.
void Server::shed_one(Listening& listening) {
    ++agent_.metrics.connections_refused;
    reserve_.reset();
    const Fd ended_here(::accept4(listening.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const bool is_taken = static_cast<bool>(ended_here);
    reserve_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (is_taken || is_deaf_) return;
    is_deaf_ = true;
    for (Listening& one : listening_) {
        poller_.remove(one.socket.get());
        one.is_watched = false;
    }
}

Result<Peer> Server::identify(const ListenerConfig& listener, int socket) {
    const Limits& limits = agent_.policy->limits;
    if (connections_.size() >= limits.connections)
        return fail(Errc::too_busy, "too many connections");
    // Over TCP all are nobody, and share what one user has.
    ATTESTD_TRY(const PeerCredentials peer, kernel_.peer_credentials(socket));
    const auto same_uid = per_uid_.find(peer.uid);
    if (same_uid != per_uid_.end() && same_uid->second >= limits.connections_per_uid) {
        return fail(Errc::too_busy, "too many connections of this uid");
    }
    if (listener.loopback_tcp) {
        ATTESTD_TRY(std::string address, loopback_peer(socket));
        return Peer::nameless(kernel_, listener.name, std::move(address));
    }
    return Peer::identify(kernel_, socket, listener.name, agent_.policy->identity);
}

// A bug of ours costs this caller and nothing else.
void Server::admit_or_drop(const ListenerConfig& listener, Fd socket) {
    try {
        admit(listener, std::move(socket));
    } catch (const std::exception& e) {
        log_event(LogLevel::error, "connection.bug", {{"what", e.what()}});
    }
}

void Server::admit(const ListenerConfig& listener, Fd socket) {
    auto peer = identify(listener, socket.get());
    if (!peer) return turn_away(socket.get(), listener, peer.error());
    const uid_t uid = peer->caller().peer.uid;
    const std::uint64_t id = next_id_++;
    ConnectionHost& host = *this;
    const auto connection = std::make_shared<Connection>(agent_, handler_, host, listener, id,
                                                         std::move(socket), *std::move(peer));
    ++agent_.metrics.connections;
    ++per_uid_[uid];
    connections_.emplace(id, connection);
    if (!connection->begin()) connection->close();
}

// One attempt to say why, without waiting: the answer fits into any socket's buffer.
void Server::turn_away(int socket, const ListenerConfig& listener, const Error& error) {
    ++agent_.metrics.connections_refused;
    ++agent_.metrics.denials[error.code];
    Caller nobody{};
    if (const auto peer = kernel_.peer_credentials(socket)) nobody.peer = *peer;
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
    static_cast<void>(::send(socket, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

Task<void> Server::sweep_loop() {
    for (int n = 1; !stopping_ || !connections_.empty(); ++n) {
        sweep_.expires_after(kSweepInterval);
        co_await wait_for(sweep_);
        close_overdue();
        if (is_deaf_ && !stopping_) listen_again();
        if (n % kSweepsPerTidying != 0) continue;
        agent_.limiter.sweep(agent_.policy->limits, BootClock::now());
        agent_.audit->flush_denials(AuditLog::Flush::due);
    }
}

void Server::close_overdue() {
    const auto now = Connection::Clock::now();
    std::vector<std::shared_ptr<Connection>> overdue;  // closing one changes connections_
    for (const auto& [id, connection] : connections_) {
        if (now >= connection->deadline()) overdue.push_back(connection);
    }
    for (const auto& connection : overdue) connection->close();
    ended_.clear();
}

Task<void> Server::stop(Connection::Clock::duration patience) {
    stopping_ = true;
    for (Listening& listening : listening_) {
        poller_.remove(listening.socket.get());
        listening.socket.reset();
    }
    const auto each = [this](void (Connection::*act)() noexcept) {
        for (const auto& [id, connection] : std::map(connections_)) (*connection.*act)();
    };
    each(&Connection::drain);
    Timer tick(io_);
    const auto give_up = Connection::Clock::now() + patience;
    while (!connections_.empty() && Connection::Clock::now() < give_up) {
        tick.expires_after(std::chrono::milliseconds(20));
        co_await wait_for(tick);
    }
    each(&Connection::close);
    ended_.clear();
    stopped_ = true;
    poller_.close();
    sweep_.cancel();
}

}  // namespace attestd
