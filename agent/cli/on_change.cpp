#include "agent/cli/on_change.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

namespace attestd::cli {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(20);

// posix_spawn's two opaque arguments, destroyed once.
class CommandPlan final {
 public:
    CommandPlan() {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawnattr_init(&attributes_);
    }
    ~CommandPlan() {
        ::posix_spawnattr_destroy(&attributes_);
        ::posix_spawn_file_actions_destroy(&actions_);
    }
    CommandPlan(const CommandPlan&) = delete;
    CommandPlan& operator=(const CommandPlan&) = delete;

    // The signals that this process blocks and ignores are its own affair. The command leads a
    // process group, so that all of it can be killed.
    [[nodiscard]] int start(pid_t& child, std::vector<std::string> words) {
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        constexpr short kFlags =
            POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
        const int prepared[] = {
            ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
            ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1),
            ::posix_spawnattr_setsigmask(&attributes_, &none),
            ::posix_spawnattr_setsigdefault(&attributes_, &all),
            ::posix_spawnattr_setpgroup(&attributes_, 0),
            ::posix_spawnattr_setflags(&attributes_, kFlags)};
        for (const int error : prepared) {
            if (error != 0) return error;
        }
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        return ::posix_spawnp(&child, argv[0], &actions_, &attributes_, argv.data(), environ);
    }

 private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

// False when time is over.
bool wait_until(pid_t child, int& status, std::chrono::steady_clock::time_point until) {
    for (;;) {
        const pid_t ended = ::waitpid(child, &status, WNOHANG);
        if (ended == child || (ended < 0 && errno != EINTR)) return true;
        if (std::chrono::steady_clock::now() >= until) return false;
        std::this_thread::sleep_for(kLookAgain);
    }
}

}  // namespace

Result<std::vector<std::string>> words_of_command(std::string_view command) {
    constexpr std::string_view kBlanks = " \t";
    std::vector<std::string> words;
    for (;;) {
        const auto begin = command.find_first_not_of(kBlanks);
        if (begin == command.npos) break;
        command.remove_prefix(begin);
        const auto end = std::min(command.find_first_of(kBlanks), command.size());
        words.emplace_back(command.substr(0, end));
        command.remove_prefix(end);
    }
    if (words.empty()) return fail(Errc::bad_usage, "the command is empty");
    return words;
}

Result<void> run_command(const std::vector<std::string>& words,
                         std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    pid_t child = -1;
    if (const int error = CommandPlan().start(child, words); error != 0) {
        return fail(Errc::delivery_command,
                    fmt::format("{}: {}", words.front(), std::strerror(error)));
    }
    int status = 0;
    if (!wait_until(child, status, until)) {
        ::kill(-child, SIGKILL);
        while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        return fail(Errc::delivery_command,
                    fmt::format("{}: did not end within {} ms, and was killed", words.front(),
                                patience.count()));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return fail(Errc::delivery_command,
                WIFEXITED(status)
                    ? fmt::format("{}: exit status {}", words.front(), WEXITSTATUS(status))
                    : fmt::format("{}: killed by signal {}", words.front(), WTERMSIG(status)));
}

}  // namespace attestd::cli
