#include "tests/unit/cli/run_attestctl.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

namespace attestd::test {

// Standard streams are files: no pipe can fill up and no reader is needed while it runs.
CliRun attestctl(const std::vector<std::string>& args, const std::string& input) {
    TempDir dir;
    const std::string in = dir.write("in", input), out = dir / "out", err = dir / "err";
    std::vector<std::string> words{"attestctl"};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);

    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(::open(in.c_str(), O_RDONLY), STDIN_FILENO);
        ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0600), STDOUT_FILENO);
        ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0600), STDERR_FILENO);
        ::execv(ATTESTD_ATTESTCTL, argv.data());
        ::_exit(127);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, load_text(out), load_text(err)};
}

}  // namespace attestd::test
