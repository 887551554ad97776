#include "agent/fetch/listener.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "quote/base/unix_address.h"

namespace attestd::fetch {
namespace {

constexpr int kBacklog = 128;
constexpr int kPauseMs = 100;  // when the machine has no process or descriptor to give

Result<Fd> new_socket() {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(errno, "socket");
    return fd;
}

// A socket file without anybody behind it is what a crash leaves.
Result<void> remove_stale(const std::string& path, const UnixAddress& address) {
    struct stat st {};
    if (::lstat(path.c_str(), &st) != 0) return {};
    if (!S_ISSOCK(st.st_mode))
        return fail(Errc::bad_usage, path + ": something else than a socket is in the way");
    ATTESTD_TRY(const Fd probe, new_socket());
    if (::connect(probe.get(), address.get(), address.len()) == 0 || errno == EAGAIN)
        return fail(Errc::too_busy, path + ": another process listens there");
    if (errno != ECONNREFUSED) return fail_errno(errno, path);
    if (::unlink(path.c_str()) != 0) return fail_errno(errno, path);
    return {};
}

// The socket's file, removed when it is still the one that was made here.
class SocketFile final {
 public:
    explicit SocketFile(std::string path) : path_(std::move(path)) {
        struct stat st {};
        if (::lstat(path_.c_str(), &st) == 0) device_ = st.st_dev, inode_ = st.st_ino;
    }
    ~SocketFile() {
        struct stat st {};
        const bool there = ::lstat(path_.c_str(), &st) == 0;
        if (there && st.st_dev == device_ && st.st_ino == inode_) ::unlink(path_.c_str());
    }
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;

 private:
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

Result<Fd> bind_at(const std::string& path, unsigned mode) {
    ATTESTD_TRY(const UnixAddress address, UnixAddress::of_path(path));
    ATTESTD_CHECK(remove_stale(path, address));
    ATTESTD_TRY(Fd fd, new_socket());
    // Nobody may connect before the mode is as asked: bound without any permission.
    const mode_t before = ::umask(0777);
    const int bound = ::bind(fd.get(), address.get(), address.len());
    const int error = errno;
    ::umask(before);
    if (bound != 0) return fail_errno(error, path);
    if (::listen(fd.get(), kBacklog) != 0) return fail_errno(errno, path);
    if (::chmod(path.c_str(), mode) != 0) return fail_errno(errno, path);
    return fd;
}

sigset_t handled_signals() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&set, number);
    return set;
}

class Children final {
 public:
    [[nodiscard]] bool full() const noexcept { return num_ >= kMaxChildren; }

    void reap() noexcept {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) --num_;
    }

    // Returns in the parent alone.
    Result<void> start(const Fd& connection, const Serve& serve) {
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid < 0) return fail_errno(errno, "fork");
        if (pid == 0) run_child(connection, serve, parent);
        ++num_;
        return {};
    }

 private:
    [[noreturn]] static void run_child(const Fd& connection, const Serve& serve, pid_t parent) {
        const sigset_t set = handled_signals();
        ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (::getppid() != parent) std::_Exit(EXIT_FAILURE);
        const bool served = serve(connection).has_value();
        std::exit(served ? EXIT_SUCCESS : EXIT_FAILURE);
    }

    std::size_t num_ = 0;
};

enum class Event : std::uint8_t { none, child_ended, stop };

Event read_event(const Fd& signals) noexcept {
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) != sizeof info) return Event::none;
    return info.ssi_signo == SIGCHLD ? Event::child_ended : Event::stop;
}

void accept_one(const Fd& listener, Children& children, const Serve& serve) {
    const Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection && children.start(connection, serve)) return;
    // The client sees its connection end: fetch.process, and may ask again.
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) ::poll(nullptr, 0, kPauseMs);
}

Result<void> run(const Fd& listener, const Fd& signals, const Serve& serve) {
    Children children;
    for (;;) {
        std::array<pollfd, 2> ready{pollfd{signals.get(), POLLIN, 0},
                                    pollfd{children.full() ? -1 : listener.get(), POLLIN, 0}};
        if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR)
            return fail_errno(errno, "poll");
        if (ready[0].revents != 0) {
            const Event event = read_event(signals);
            if (event == Event::stop) return {};
            // One signal may stand for several children.
            if (event == Event::child_ended) children.reap();
        }
        if (ready[1].revents != 0) accept_one(listener, children, serve);
    }
}

}  // namespace

Result<void> listen_at(const std::string& path, unsigned mode, const Serve& serve) {
    ATTESTD_TRY(const Fd listener, bind_at(path, mode));
    const SocketFile file(path);
    const sigset_t set = handled_signals();
    // A parent that ignores it would have children vanish uncounted.
    std::signal(SIGCHLD, SIG_DFL);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno(errno, "sigprocmask");
    const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC));
    if (!signals) return fail_errno(errno, "signalfd");
    return run(listener, signals, serve);
}

}  // namespace attestd::fetch
