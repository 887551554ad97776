#include "agent/credential/credentials.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <cerrno>
#include <cstring>

#include "agent/log.h"

namespace attestd {
namespace {

using CredentialSocket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;

constexpr int kCredentialBacklog = 128;
// Each waits for one unit's start. More stay in the backlog, where systemd waits as well.
constexpr std::size_t kMaxCredentialRequests = 64;
constexpr auto kSendPatience = std::chrono::seconds(10);
constexpr auto kPauseAfterAccept = std::chrono::milliseconds(20);  // that failed
constexpr auto kPauseForStore = std::chrono::milliseconds(250);
constexpr int kMaxGrants = 3;  // overtaken by renewals, one after another
// One byte more than systemd takes (systemd.exec(5), LoadCredential=).
constexpr std::size_t kTooLongForSystemd = (std::size_t{1} << 20) + 1;
constexpr std::string_view kCredentialMethod = "LoadCredential";

// Which start of the unit this is: systemd keeps it as a symbolic link's target.
std::string invocation_of(const std::string& unit) {
    const std::string path = "/run/systemd/units/invocation:" + unit;
    std::array<char, 64> target{};
    const ssize_t len = ::readlink(path.c_str(), target.data(), target.size());
    if (len <= 0) return {};
    return escaped({target.data(), static_cast<std::size_t>(len)});
}

// Where /proc lets us look, a process of another program than PID 1 is not systemd's child.
Result<void> check_program(pid_t pid) {
    struct stat peer {};
    struct stat manager {};
    const std::string path = fmt::format("/proc/{}/exe", pid);
    if (::stat(path.c_str(), &peer) != 0 || ::stat("/proc/1/exe", &manager) != 0) return {};
    if (peer.st_dev == manager.st_dev && peer.st_ino == manager.st_ino) return {};
    return fail(Errc::credential_refused, "the peer runs another program than PID 1");
}

// How many of `bytes` the socket takes now.
Result<std::size_t> send_some(int fd, ByteView bytes) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN || errno == EINTR) return std::size_t{0};
    return fail(Errc::unavailable, fmt::format("the connection broke: {}", std::strerror(errno)));
}

Result<std::size_t> send_rest(int fd, ByteView bytes, std::size_t done) {
    return send_some(fd, bytes.subspan(done));
}
Result<std::size_t> send_rest(int fd, const Secret& secret, std::size_t done) {
    return secret.expose([&](ByteView bytes) { return send_rest(fd, bytes, done); });
}

// `body` outlives the call.
template <class Body>
Task<Result<void>> send_all(CredentialSocket& socket, const Body& body) {
    std::size_t done = 0;
    while (done < body.size()) {
        const auto sent = send_rest(socket.native_handle(), body, done);
        if (!sent) co_return tl::make_unexpected(sent.error());
        done += *sent;
        if (done == body.size()) break;
        const auto [ec] =
            co_await socket.async_wait(CredentialSocket::wait_write, asio::as_tuple(use_task));
        if (ec) co_return fail(Errc::unavailable, "systemd does not take what it is sent");
    }
    co_return Result<void>();
}

}  // namespace

Result<void> check_credential_peer(const Caller& caller, const CredentialAddress& claim) {
    if (caller.peer.uid != 0)
        return fail(Errc::credential_refused,
                    fmt::format("uid {} is not systemd", caller.peer.uid));
    if (caller.cgroup.unit.empty())
        return fail(Errc::credential_refused, "the peer is in no unit's cgroup");
    if (caller.cgroup.unit != claim.unit)
        return fail(Errc::credential_refused,
                    fmt::format("the address says {}, the cgroup {}", escaped(claim.unit),
                                escaped(caller.cgroup.unit)));
    return {};
}

struct Credentials::Request : std::enable_shared_from_this<Request> {
    Request(const ListenerConfig& from, CredentialSocket accepted, std::string peer_address,
            std::uint64_t number)
        : listener(from),
          socket(std::move(accepted)),
          timer(socket.get_executor()),
          address(std::move(peer_address)),
          id(number) {}

    // Ends what is not sent in time.
    void limit_sending() {
        timer.expires_after(kSendPatience);
        timer.async_wait([weak = weak_from_this()](error_code ec) {
            const auto self = weak.lock();
            if (self && !ec) self->close();
        });
    }

    void close() noexcept {
        error_code ignored;
        socket.close(ignored);
    }

    const ListenerConfig& listener;
    CredentialSocket socket;
    Timer timer;
    std::string address;  // as sun_path
    std::uint64_t id;
    std::chrono::steady_clock::time_point asked = std::chrono::steady_clock::now();
    std::optional<CredentialAddress> claim;
    std::optional<Peer> peer;
    std::string audit_text;
};

Credentials::Credentials(Io& io, Agent& agent, const Kernel& kernel)
    : io_(io), agent_(agent), kernel_(kernel), slot_free_(io.get_executor()) {}

Result<void> Credentials::add(const ListenerConfig& listener, Fd socket) {
    if (::listen(socket.get(), kCredentialBacklog) != 0)
        return fail_errno(errno, listener.path.string());
    Acceptor acceptor(io_);
    error_code ec;
    acceptor.assign(asio::local::stream_protocol(), socket.get(), ec);
    if (ec) return fail(Errc::io_failed, ec.message());
    static_cast<void>(socket.release());
    listening_.emplace_back(listener, std::move(acceptor));
    return {};
}

void Credentials::start() {
    for (Listening& listening : listening_) spawn(io_, accept_loop(listening));
}

Task<void> Credentials::accept_loop(Listening& listening) {
    Timer pause(io_);
    while (!stopping_) {
        if (requests_.size() >= kMaxCredentialRequests) {
            co_await slot_free_.wait();
            continue;
        }
        auto [ec, socket] = co_await listening.acceptor.async_accept(asio::as_tuple(use_task));
        if (stopping_ || ec == asio::error::operation_aborted) break;
        if (ec) {
            pause.expires_after(kPauseAfterAccept);
            co_await wait_for(pause);
            continue;
        }
        const std::uint64_t id = next_id_++;
        error_code no_address;  // leaves it empty, which is no address of systemd's
        std::string address = socket.remote_endpoint(no_address).path();
        auto request =
            std::make_shared<Request>(listening.config, std::move(socket), std::move(address), id);
        requests_.emplace(id, request);
        spawn(io_, serve(std::move(request)));
    }
}

Task<void> Credentials::serve(std::shared_ptr<Request> request) {
    std::optional<Error> refused;
    try {
        auto answered = co_await answer(*request);
        if (!answered) refused = std::move(answered).error();
    } catch (const std::exception& e) {
        // A bug of ours costs this unit's start and nothing else.
        log_event(LogLevel::error, "credential.bug", {{"what", e.what()}});
        refused = Error{Errc::internal, e.what()};
    }
    if (refused) co_await refuse(*request, *refused);
    request->close();
    request->timer.cancel();
    requests_.erase(request->id);
    slot_free_.notify_all();
}

Result<Asker> Credentials::identify(Request& request) {
    const int socket = request.socket.native_handle();
    ATTESTD_TRY(request.peer,
                Peer::identify(kernel_, socket, request.listener.name, agent_.policy->identity));
    request.audit_text = caller_members(request.peer->caller());
    ATTESTD_TRY(request.claim, parse_credential_address(as_bytes(request.address)));
    const Caller& caller = request.peer->caller();
    ATTESTD_CHECK(check_credential_peer(caller, *request.claim));
    ATTESTD_CHECK(check_program(caller.peer.pid));
    ATTESTD_CHECK(request.peer->recheck(agent_.policy->identity));
    request.peer->speak_for_unit();
    request.audit_text += fmt::format(R"(,"invocation":"{}")", invocation_of(caller.cgroup.unit));
    return Asker{*request.peer, request.audit_text, request.id, request.asked, kCredentialMethod};
}

// Only for a unit that policy names: another learns at once that it gets nothing.
Task<void> Credentials::hold(Request& request, std::string name) {
    const auto until = request.asked + request.listener.hold;
    for (;;) {
        request.timer.expires_at(until);
        const Vault::Subscription woken(agent_.vault, request.timer);
        const auto matched = match_workloads(*agent_.policy, request.peer->caller());
        const bool is_over = stopping_ || std::chrono::steady_clock::now() >= until;
        if (is_over || agent_.affirmation() || !permit(*agent_.policy, matched, name)) co_return;
        co_await wait_for(request.timer);
    }
}

// A store that is not open yet is waited for as an affirming result is.
Task<Result<Released>> Credentials::obtain(Request& request, const Asker& asker, std::string name) {
    const auto until = request.asked + request.listener.hold;
    for (;;) {
        co_await hold(request, name);
        const std::optional<std::uint64_t> nothing;
        auto released = co_await release(agent_, asker, name, nothing);
        const bool is_late = stopping_ || std::chrono::steady_clock::now() >= until;
        if (released || is_late || released.error().code != Errc::store_locked) co_return released;
        request.timer.expires_after(kPauseForStore);
        co_await wait_for(request.timer);
    }
}

Task<Result<void>> Credentials::answer(Request& request) {
    const auto asker = identify(request);
    if (!asker) co_return tl::make_unexpected(asker.error());
    auto name = secret_of_credential(request.claim->id);
    if (!name) co_return tl::make_unexpected(std::move(name).error());
    for (int i = 0; i < kMaxGrants; ++i) {
        const auto released = co_await obtain(request, *asker, *name);
        if (!released) co_return tl::make_unexpected(released.error());
        // The last word before bytes leave: no suspension lies between this and the first write.
        if (!agent_.holds(released->grant)) continue;
        // Without a limit of time: to systemd the part that was sent by then would be the whole.
        const auto sent = co_await send_all(request.socket, *released->secret.value);
        co_return sent;
    }
    co_return fail(Errc::grant_expired, "session or policy changed again and again");
}

// release() has recorded what it refused; what comes before it is recorded here.
Task<void> Credentials::refuse(Request& request, Error error) {
    if (!request.socket.is_open()) co_return;
    const bool by_identity = !request.peer || !request.peer->caller().for_unit;
    const std::string unit = request.claim ? request.claim->unit : "";
    const std::string id = request.claim ? request.claim->id : "";
    if (by_identity || error.code == Errc::credential_refused) {
        Caller nobody{};
        nobody.socket = request.listener.name;
        AuditEvent event;
        event.method = kCredentialMethod;
        event.object = id;
        event.reason = errc_name(error.code);
        event.detail = error.detail;
        event.connection = request.id;
        event.caller = request.peer ? &request.peer->caller() : &nobody;
        event.policy = &agent_.policy->digest;
        agent_.audit->note_denial(event, request.audit_text);
        ++agent_.metrics.denials[error.code];
    }
    log_event(LogLevel::warn, "credential.refused",
              {{"unit", unit},
               {"credential", id},
               {"code", std::string(errc_name(error.code))},
               {"why", error.detail}});
    if (request.listener.on_refusal == OnRefusal::empty) co_return;
    static constexpr std::array<std::uint8_t, std::size_t{1} << 16> kZeros{};
    request.limit_sending();
    for (std::size_t sent = 0; sent < kTooLongForSystemd; sent += kZeros.size()) {
        const ByteView zeros =
            ByteView(kZeros).first(std::min(kZeros.size(), kTooLongForSystemd - sent));
        const auto done = co_await send_all(request.socket, zeros);
        if (!done) co_return;
    }
}

Task<void> Credentials::stop() {
    stopping_ = true;
    for (Listening& listening : listening_) {
        error_code ignored;
        listening.acceptor.close(ignored);
    }
    slot_free_.notify_all();
    for (const auto& [id, request] : requests_) request->timer.cancel();
    Timer tick(io_);
    const auto give_up = std::chrono::steady_clock::now() + kSendPatience;
    while (!requests_.empty() && std::chrono::steady_clock::now() < give_up) {
        tick.expires_after(std::chrono::milliseconds(20));
        co_await wait_for(tick);
    }
    for (const auto& [id, request] : requests_) request->close();
}

}  // namespace attestd
