#include "agent/inspect/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <list>
#include <map>
#include <vector>

#include "agent/inspect/subject.h"

namespace attestd::inspect {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kRequestTimeout = std::chrono::seconds(1);
constexpr auto kKillAfter = std::chrono::milliseconds(500);  // beyond the child's own limit
constexpr auto kFailureHold = std::chrono::seconds(1);
constexpr auto kIdleTime = std::chrono::minutes(1);
constexpr auto kPauseWithoutFds = std::chrono::milliseconds(20);

sigset_t handled_signals() noexcept {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&set, number);
    return set;
}

std::uint64_t now_ns() noexcept {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

// One connection: first waiting for its request, then for its uid's turn, then for its child.
struct Job {
    Fd connection, pidfd, child_end;
    Request request;
    pid_t child = 0;
    Clock::time_point deadline;

    [[nodiscard]] bool is_running() const noexcept { return static_cast<bool>(child_end); }
    [[nodiscard]] bool is_queued() const noexcept { return pidfd && !child_end; }
};

// In the child: keeps the two descriptors that it needs and nothing that was another request's.
[[noreturn]] void run_child(const Fd& pidfd, const Fd& parent_end, pid_t parent,
                            const Request& request, const Bounds& bounds,
                            const DigestCache& cache) {
    const sigset_t set = handled_signals();
    ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != parent) ::_exit(1);
    constexpr int kHighest = 1023;
    const Fd subject(::fcntl(pidfd.get(), F_DUPFD_CLOEXEC, kHighest - 1));
    const Fd answer_to(::fcntl(parent_end.get(), F_DUPFD_CLOEXEC, kHighest - 1));
    if (!subject || !answer_to || ::close_range(3, kHighest - 2, 0) != 0) ::_exit(1);
    const Answer answer = look_at(subject, request, bounds, cache);
    ::_exit(send_message(answer_to, encode_answer(answer)) ? 0 : 1);
}

class InspectServer final {
 public:
    InspectServer(const Fd& listener, const Fd& signals, const ServerConfig& config)
        : listener_(listener), signals_(signals), config_(config) {}

    Result<void> run() {
        for (;;) {
            start_queued();
            const auto ready = wait();
            if (!ready) return tl::make_unexpected(ready.error());
            if ((*ready)[0].revents != 0 && !take_signals()) return {};
            handle_jobs(*ready);
            if ((*ready)[1].revents != 0) accept_all();
            if (is_idle()) return {};
        }
    }

 private:
    using Ready = std::vector<pollfd>;

    // First the signals and the listener, then one for each job in order.
    Result<Ready> wait() {
        const bool takes_more = jobs_.size() < kMaxJobs && Clock::now() >= paused_until_;
        Ready out{{signals_.get(), POLLIN, 0}, {takes_more ? listener_.get() : -1, POLLIN, 0}};
        for (const Job& job : jobs_) {
            const Fd& fd = job.is_running() ? job.child_end : job.connection;
            out.push_back({job.is_queued() ? -1 : fd.get(), POLLIN, 0});
        }
        if (::poll(out.data(), out.size(), timeout_ms()) < 0) {
            if (errno != EINTR) return fail_errno(errno, "poll");
            for (pollfd& p : out) p.revents = 0;
        }
        return out;
    }

    int timeout_ms() const {
        auto next = config_.stops_when_idle && jobs_.empty() ? idle_since_ + kIdleTime
                                                             : Clock::now() + kIdleTime;
        for (const Job& job : jobs_) next = std::min(next, job.deadline);
        if (paused_until_ > Clock::now()) next = std::min(next, paused_until_);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now());
        return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
    }

    bool is_idle() const {
        return config_.stops_when_idle && jobs_.empty() && children_.empty() &&
               Clock::now() - idle_since_ >= kIdleTime;
    }

    // False when it is time to end.
    bool take_signals() {
        signalfd_siginfo info{};
        if (::read(signals_.get(), &info, sizeof info) != sizeof info) return true;
        if (info.ssi_signo != SIGCHLD) return false;
        // One signal may stand for several children.
        for (;;) {
            const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
            if (pid <= 0) return true;
            children_.erase(pid);
        }
    }

    void accept_all() {
        while (jobs_.size() < kMaxJobs) {
            auto accepted = accept_of(listener_, config_.client);
            if (!accepted) paused_until_ = Clock::now() + kPauseWithoutFds;
            if (!accepted || !*accepted) return;
            Job& job = jobs_.emplace_back();
            job.connection = *std::move(*accepted);
            job.deadline = Clock::now() + kRequestTimeout;
        }
    }

    void handle_jobs(const Ready& ready) {
        const auto now = Clock::now();
        std::size_t i = 2;
        for (auto job = jobs_.begin(); job != jobs_.end(); ++i) {
            const bool over = ready[i].revents != 0 ? !advance(*job) : is_late(*job, now);
            job = over ? jobs_.erase(job) : std::next(job);
        }
        if (!jobs_.empty()) idle_since_ = now;
    }

    // False when the job is over.
    bool advance(Job& job) {
        if (job.is_running()) {
            finish(job, receive_answer(job.child_end));
            return false;
        }
        auto received = receive_request(job.connection);
        if (!received) return false;
        job.request = received->request;
        job.pidfd = std::move(received->pidfd);
        job.deadline = Clock::now() + 2 * config_.time_limit;  // to get its turn
        return true;
    }

    bool is_late(Job& job, Clock::time_point now) {
        if (now < job.deadline) return false;
        if (job.is_running()) {
            ::kill(job.child, SIGKILL);
            finish(job, fail(Errc::timed_out, "the inspection took too long"));
        } else if (job.is_queued()) {
            send(job, Answer{});
        }
        return true;
    }

    void start_queued() {
        for (auto job = jobs_.begin(); job != jobs_.end();) {
            if (job->is_queued() && is_held(job->request.uid)) {
                send(*job, Answer{});
                job = jobs_.erase(job);
                continue;
            }
            if (job->is_queued() && has_place(job->request.uid)) start(*job);
            ++job;
        }
    }

    bool has_place(uid_t uid) const {
        const auto mine = [uid](const auto& child) { return child.second == uid; };
        return children_.size() < kMaxChildren &&
               std::none_of(children_.begin(), children_.end(), mine);
    }

    bool is_held(uid_t uid) {
        const auto held = held_until_.find(uid);
        if (held == held_until_.end()) return false;
        if (Clock::now() < held->second) return true;
        held_until_.erase(held);
        return false;
    }

    // Without a process or a descriptor to give, the job stays queued until its deadline.
    void start(Job& job) {
        std::array<int, 2> pair{};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) return;
        Fd child_end(pair[0]);
        const Fd parent_end(pair[1]);
        const Bounds bounds{config_.max_len, Clock::now() + config_.time_limit};
        const pid_t self = ::getpid();
        // lint: allow exec: a copy of this very program, which can be killed when storage hangs
        const pid_t pid = ::fork();
        if (pid == 0) run_child(job.pidfd, parent_end, self, job.request, bounds, cache_);
        if (pid < 0) return;
        children_.emplace(pid, job.request.uid);
        job.child = pid;
        job.child_end = std::move(child_end);
        job.deadline = bounds.deadline + kKillAfter;
    }

    void finish(Job& job, const Result<Answer>& answer) {
        const Answer given = answer.value_or(Answer{});
        const bool late = !answer || given.facts.digest_state == DigestState::timed_out;
        if (late) hold(job.request.uid);
        if (given.facts.sha256)
            cache_.keep(job.request.uid, given.facts.exe, *given.facts.sha256, now_ns());
        send(job, given);
    }

    void hold(uid_t uid) {
        constexpr std::size_t kMaxHeld = 4096;
        if (held_until_.size() >= kMaxHeld) held_until_.clear();
        held_until_[uid] = Clock::now() + kFailureHold;
    }

    // Who asked may be gone; then nobody misses the answer.
    static void send(const Job& job, const Answer& answer) {
        static_cast<void>(send_message(job.connection, encode_answer(answer)));
    }

    const Fd& listener_;
    const Fd& signals_;
    const ServerConfig& config_;
    std::list<Job> jobs_;
    std::map<pid_t, uid_t> children_;  // until they are reaped, also those that were killed
    std::map<uid_t, Clock::time_point> held_until_;
    DigestCache cache_;
    Clock::time_point idle_since_ = Clock::now();
    Clock::time_point paused_until_{};
};

}  // namespace

Result<void> serve(const Fd& listener, const ServerConfig& config) {
    const sigset_t set = handled_signals();
    // A parent that ignores it would have children vanish uncounted.
    std::signal(SIGCHLD, SIG_DFL);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return fail_errno(errno, "sigprocmask");
    const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC));
    if (!signals) return fail_errno(errno, "signalfd");
    if (::fcntl(listener.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "fcntl");
    return InspectServer(listener, signals, config).run();
}

}  // namespace attestd::inspect
