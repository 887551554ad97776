// Nobody of the same user looks into a process that holds secrets.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "agent/confine/landlock.h"
#include "agent/confine/syscall_filter.h"
#include "quote/base/fd.h"
#include "tests/support/catch.h"
#include "tests/unit/confine/in_child.h"

namespace attestd::test {
namespace {

constexpr uid_t kNobody = 65534;

// What another process of the same user meets: one bit for each way that opens.
enum Way : int { attach = 1, memory = 2, read_remote = 4, get_descriptor = 8 };

int try_all(pid_t victim) {
    int open = 0;
    if (Fd(::open(fmt::format("/proc/{}/mem", victim).c_str(), O_RDONLY | O_CLOEXEC)))
        open |= memory;
    std::array<char, 1> into{};
    const iovec local{into.data(), 1};
    const iovec remote{&open, 1};  // the same address there: it is a copy of this process
    if (::process_vm_readv(victim, &local, 1, &remote, 1, 0) == 1) open |= read_remote;
    const Fd pidfd(static_cast<int>(::syscall(434 /* pidfd_open */, victim, 0)));
    if (Fd(static_cast<int>(::syscall(438 /* pidfd_getfd */, pidfd.get(), 1, 0))))
        open |= get_descriptor;
    if (::ptrace(PTRACE_ATTACH, victim, nullptr, nullptr) == 0) {
        open |= attach;
        ::waitpid(victim, nullptr, 0);
        ::ptrace(PTRACE_DETACH, victim, nullptr, nullptr);
    }
    return open;
}

bool become_nobody() {
    return ::geteuid() != 0 || (::setresgid(kNobody, kNobody, kNobody) == 0 &&
                                ::setresuid(kNobody, kNobody, kNobody) == 0);
}

// A victim that does `prepare` and then waits, and somebody else of its user who tries.
int ways_into(const std::function<bool()>& prepare) {
    std::array<int, 2> ready{}, stop{};
    REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(stop.data(), O_CLOEXEC) == 0);
    const Fd ready_in(ready[0]), stop_in(stop[0]);
    Fd ready_out(ready[1]), stop_out(stop[1]);
    const pid_t victim = ::fork();
    if (victim == 0) {
        stop_out.reset();
        char byte = 0;
        const bool good = become_nobody() && prepare();
        if (::write(ready_out.get(), good ? "y" : "n", 1) != 1) ::_exit(2);
        ::_exit(::read(stop_in.get(), &byte, 1) == 0 ? 0 : 3);
    }
    ready_out.reset();
    char said = 0;
    REQUIRE(::read(ready_in.get(), &said, 1) == 1);
    REQUIRE(said == 'y');
    const Ending tried = in_child([&] { return become_nobody() ? try_all(victim) : 255; });
    stop_out.reset();
    CHECK(ending_of(victim) == Ending{0, 0});
    return tried.value;
}

bool harden() {
    return ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           confine_files({{"/usr", Access::read}}) && filter_syscalls();
}

bool open_up() { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0; }

}  // namespace

TEST_CASE("a confined process: no debugger, no memory, no descriptor for its own user",
          "[confine]") {
    CHECK(ways_into(harden) == 0);
}

TEST_CASE("a confined process: the same ways are open into one that is not", "[confine]") {
    // Where the kernel restricts them for everybody, the test above would prove nothing.
    const int open = ways_into(open_up);
    if (open != (attach | memory | read_remote | get_descriptor))
        ATTESTD_SKIP("this kernel restricts debuggers for everybody (Yama)");
    CHECK(open == 15);
}

}  // namespace attestd::test
