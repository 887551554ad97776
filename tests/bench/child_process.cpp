#include "tests/bench/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "quote/base/fd.h"

namespace attestd::bench {
namespace {

// Runs in the child between fork and exec: system calls only.
[[noreturn]] void become(char* const* argv, int log) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGPIPE, SIG_DFL);
    if (::dup2(log, 1) == 1 && ::dup2(log, 2) == 2) ::execv(argv[0], argv);
    ::_exit(127);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& args,
                                         const std::filesystem::path& log) {
    ATTESTD_TRY(const Fd out, open_file(log, O_WRONLY | O_CREAT | O_APPEND, 0600));
    std::vector<std::string> copies = args;
    std::vector<char*> argv;
    for (std::string& arg : copies) argv.push_back(arg.data());
    argv.push_back(nullptr);
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, "fork");
    if (pid == 0) become(argv.data(), out.get());
    return ChildProcess(pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

ChildProcess::~ChildProcess() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    for (int i = 0; i < 500; ++i) {
        if (::waitpid(pid_, nullptr, WNOHANG) != 0) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::int64_t ChildProcess::cpu_ns() const noexcept {
    clockid_t clock{};
    timespec used{};
    if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
    return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

std::int64_t ChildProcess::resident_len() const {
    std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
    std::int64_t total = 0, resident = 0;
    if (!(statm >> total >> resident)) return 0;
    return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace attestd::bench
