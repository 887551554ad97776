// Confinement is for good, so each trial is a process of its own.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

namespace attestd::test {

/// How a trial ended: what it returned, or the signal that ended it.
struct Ending {
    int value = -1;
    int signal = 0;

    friend bool operator==(const Ending&, const Ending&) = default;
};

inline Ending ending_of(pid_t child) {
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return {};
    if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
}

/// Runs `trial` (0 to 255) in a process that gained PR_SET_NO_NEW_PRIVS.
inline Ending in_child(const std::function<int()>& trial) {
    const pid_t child = ::fork();
    if (child != 0) return ending_of(child);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // Whatever ends it, the test program's own reporting does not run twice.
    for (const int caught : {SIGSEGV, SIGABRT, SIGTERM, SIGSYS}) ::signal(caught, SIG_DFL);
    ::_exit(trial());
}

}  // namespace attestd::test
