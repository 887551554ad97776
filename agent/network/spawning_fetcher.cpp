#include "agent/network/spawning_fetcher.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "agent/network/internal/wire.h"

namespace attestd {
namespace {

constexpr int kChildsEnd = 3;  // the descriptor under which the child finds its connection

// posix_spawn's two opaque arguments, destroyed once.
class SpawnPlan final {
 public:
    SpawnPlan() {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
    }
    ~SpawnPlan() {
        ::posix_spawnattr_destroy(&attributes_);
        ::posix_spawn_file_actions_destroy(&actions_);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;

    // No other descriptor, nothing to read, nowhere to print but standard error, and default
    // signals: the parent may ignore SIGPIPE or block signals for reasons of its own.
    [[nodiscard]] bool prepare(const Fd& childs_end) {
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        constexpr short kFlags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        // The connection first: it may itself be 0 or 1 where the parent has these closed.
        return ::posix_spawn_file_actions_adddup2(&actions_, childs_end.get(), kChildsEnd) == 0 &&
               ::posix_spawn_file_actions_addclosefrom_np(&actions_, kChildsEnd + 1) == 0 &&
               ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0) == 0 &&
               ::posix_spawn_file_actions_addopen(&actions_, 1, "/dev/null", O_WRONLY, 0) == 0 &&
               ::posix_spawnattr_setsigmask(&attributes_, &none) == 0 &&
               ::posix_spawnattr_setsigdefault(&attributes_, &all) == 0 &&
               ::posix_spawnattr_setflags(&attributes_, kFlags) == 0;
    }

    // errno as a value; 0 when the child runs.
    [[nodiscard]] int start(pid_t& child, const std::string& program,
                            std::vector<std::string> args) const {
        std::vector<char*> argv;
        for (std::string& arg : args) argv.push_back(arg.data());
        argv.push_back(nullptr);
        std::array<char*, 1> no_environment{nullptr};  // proxies and the like are configuration
        // lint: allow exec: attestctl starts attestd-fetch; the daemon does not link this file
        return ::posix_spawn(&child, program.c_str(), &actions_, &attributes_, argv.data(),
                             no_environment.data());
    }

 private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

// A child that is dead and reaped when this is gone. It has no state, so that killing it is clean.
class Child final {
 public:
    explicit Child(pid_t pid) noexcept : pid_(pid) {}
    ~Child() {
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

 private:
    pid_t pid_;
};

struct SocketPair {
    Fd ours, childs;
};

Result<SocketPair> make_socket_pair() {
    std::array<int, 2> ends{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail(Errc::fetch_process,
                    fmt::format("socketpair for attestd-fetch: {}", std::strerror(errno)));
    return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

Result<std::filesystem::path> find_fetch_program() {
    std::error_code ec;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
    // The last is where a build leaves it that is not installed.
    const std::array<std::filesystem::path, 4> places{
        self.parent_path() / "attestd-fetch", ATTESTD_LIBEXECDIR "/attestd-fetch",
        ATTESTD_BINDIR "/attestd-fetch",
        self.parent_path().parent_path() / "fetch" / "attestd-fetch"};
    for (const auto& place : places) {
        if (place.is_absolute() && ::access(place.c_str(), X_OK) == 0) return place;
    }
    return fail(Errc::fetch_process,
                fmt::format("attestd-fetch is none of {}, {}, {}", places[0].string(),
                            places[1].string(), places[2].string()));
}

Result<FetchResponse> SpawningFetcher::fetch(const FetchRequest& request, Deadline deadline) {
    std::filesystem::path program = program_.program;
    if (program.empty()) {
        ATTESTD_TRY(program, find_fetch_program());
    }
    ATTESTD_TRY(const UnixRequest to_proxy,
                fetch_wire::request_to_proxy(request, deadline, max_body_len_));
    ATTESTD_TRY(SocketPair ends, make_socket_pair());

    SpawnPlan plan;
    if (!plan.prepare(ends.childs))
        return fail(Errc::fetch_process, "no memory to start attestd-fetch");
    std::vector<std::string> args{"attestd-fetch", "--connection", std::to_string(kChildsEnd)};
    if (!program_.config.empty()) args.insert(args.end(), {"--config", program_.config.string()});
    pid_t pid = -1;
    if (const int error = plan.start(pid, program.string(), std::move(args)); error != 0)
        return fail(Errc::fetch_process, fmt::format("{} cannot be started: {}", program.string(),
                                                     std::strerror(error)));
    const Child child(pid);
    ends.childs.reset();  // so that the child's death ends the connection
    const UnixClient client(program.string(), max_body_len_);
    return fetch_wire::answer_of_proxy(client.exchange_on(std::move(ends.ours), to_proxy, deadline),
                                       request, program.string());
}

}  // namespace attestd
