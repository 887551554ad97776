// Child: a process that runs a given program, held by a pidfd, and ended with the test.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "quote/base/fd.h"
#include "tests/support/catch.h"

namespace attestd::test {

class Child final {
 public:
    /// Runs the open `program` with these arguments; returns once it runs.
    Child(const Fd& program, std::vector<std::string> args) {
        std::array<int, 2> started{}, input{};
        REQUIRE(::pipe2(started.data(), O_CLOEXEC) == 0);
        REQUIRE(::pipe2(input.data(), O_CLOEXEC) == 0);
        std::vector<char*> argv;
        for (std::string& arg : args) argv.push_back(arg.data());
        argv.push_back(nullptr);
        std::array<char*, 1> no_environment{nullptr};
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(input[0], 0);
            ::fexecve(program.get(), argv.data(), no_environment.data());
            _exit(127);
        }
        ::close(started[1]);
        ::close(input[0]);
        input_.reset(input[1]);
        char byte = 0;
        REQUIRE(::read(started[0], &byte, 1) == 0);  // closed by exec
        ::close(started[0]);
        pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
        REQUIRE(pidfd_);
    }
    ~Child() { end(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    [[nodiscard]] const Fd& pidfd() const noexcept { return pidfd_; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    void tell(std::string_view text) const {
        REQUIRE(::write(input_.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }
    void kill() const { ::kill(pid_, SIGKILL); }
    void end() {
        if (pid_ <= 0) return;
        kill();
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

 private:
    pid_t pid_ = 0;
    Fd pidfd_, input_;
};

/// A copy of `program` at `path`, executable; `padding` zeros are added, most of them a hole.
inline Fd copy_of(const std::filesystem::path& program, const std::filesystem::path& path,
                  std::uint64_t padding = 0) {
    std::filesystem::copy_file(program, path);
    if (padding != 0)
        std::filesystem::resize_file(path, std::filesystem::file_size(path) + padding);
    REQUIRE(::chmod(path.c_str(), 0755) == 0);
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(fd);
    return fd;
}

inline const std::vector<std::string> kSleep{"sleep", "600"};

}  // namespace attestd::test
