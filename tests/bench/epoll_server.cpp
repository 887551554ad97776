#include "tests/bench/epoll_server.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <unordered_map>

#include "tests/bench/unix_socket.h"

namespace attestd::bench {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

bool watch(const Fd& epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<EpollServer>> EpollServer::start(const std::filesystem::path& path,
                                                        std::string answer) {
    ATTESTD_TRY(Fd listener, listen_on(path));
    Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
    Fd stop(::eventfd(0, EFD_CLOEXEC));
    if (!epoll || !stop || !watch(epoll, listener.get()) || !watch(epoll, stop.get())) {
        return fail_errno(errno, "epoll");
    }
    std::unique_ptr<EpollServer> server(
        new EpollServer(std::move(listener), std::move(epoll), std::move(stop), std::move(answer)));
    server->thread_ = std::thread([raw = server.get()] { raw->run(); });
    return server;
}

EpollServer::EpollServer(Fd listener, Fd epoll, Fd stop, std::string answer)
    : listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      stop_(std::move(stop)),
      answer_(std::move(answer)) {}

EpollServer::~EpollServer() {
    const std::uint64_t one = 1;
    if (::write(stop_.get(), &one, sizeof one) == sizeof one) thread_.join();
}

std::int64_t EpollServer::cpu_ns() const {
    clockid_t clock{};
    timespec used{};
    auto& thread = const_cast<std::thread&>(thread_);  // native_handle() reads only
    if (::pthread_getcpuclockid(thread.native_handle(), &clock) != 0 ||
        ::clock_gettime(clock, &used) != 0) {
        return 0;
    }
    return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

void EpollServer::accept_all() {
    for (;;) {
        Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd || !watch(epoll_, fd.get())) return;
        static_cast<void>(fd.release());  // closed in run(), when its peer has gone
    }
}

// Answers every whole request that has come; false when the connection is over.
bool EpollServer::serve(int fd, std::string& pending) const {
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    std::string_view text(buffer.data(), static_cast<std::size_t>(n));
    if (!pending.empty()) {
        pending.append(text);
        text = pending;
    }
    std::size_t at = 0;
    for (std::size_t end = text.find(kEnd); end != text.npos; end = text.find(kEnd, at)) {
        if (::write(fd, answer_.data(), answer_.size()) != static_cast<ssize_t>(answer_.size()))
            return false;
        at = end + kEnd.size();
    }
    if (at < text.size()) {
        pending = std::string(text.substr(at));
    } else if (!pending.empty()) {
        pending.clear();
    }
    return true;
}

void EpollServer::run() {
    std::unordered_map<int, std::string> pending;  // parts of requests, by connection
    std::array<epoll_event, 64> events{};
    for (;;) {
        const int n =
            ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < n; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == stop_.get()) return;
            if (fd == listener_.get()) {
                accept_all();
            } else if (!serve(fd, pending[fd])) {
                pending.erase(fd);
                ::close(fd);
            }
        }
    }
}

}  // namespace attestd::bench
