#include "agent/confine/syscall_filter.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "agent/caller/kernel.h"
#include "quote/base/fd.h"
#include "quote/platform/sev_guest.h"
#include "quote/platform/tdx_guest.h"

namespace attestd {
namespace {

struct ReleaseFilter {
    void operator()(void* context) const noexcept { seccomp_release(context); }
};
using Filter = std::unique_ptr<void, ReleaseFilter>;

// Whatever their arguments are.
constexpr const char* kAllowed[] = {
    // files; which ones is Landlock's to say
    "openat", "open", "close", "close_range", "read", "pread64", "readv", "write", "pwrite64",
    "writev", "lseek", "fsync", "fdatasync", "ftruncate", "fallocate", "flock", "stat", "lstat",
    "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access", "faccessat", "faccessat2",
    "getdents64", "getcwd", "readlink", "readlinkat", "mkdir", "mkdirat", "rmdir", "unlink",
    "unlinkat", "rename", "renameat", "renameat2", "chmod", "fchmod", "fchmodat", "chown", "lchown",
    "fchown", "fchownat", "umask", "fcntl", "dup", "dup2", "dup3", "pipe2", "fgetxattr",
    // sockets that exist
    "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "getsockopt",
    "setsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "shutdown",
    // waiting
    "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait",
    "epoll_pwait", "epoll_pwait2", "eventfd2", "timerfd_create", "timerfd_settime",
    "timerfd_gettime", "nanosleep", "clock_nanosleep", "restart_syscall", "pidfd_open", "futex",
    "sched_yield",
    // memory
    "brk", "munmap", "mremap", "madvise", "mlock", "mlock2", "munlock", "memfd_secret",
    // clocks and chance
    "clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom",
    // this process and its threads
    "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getresuid",
    "getresgid", "getgroups", "uname", "sysinfo", "getrlimit", "prlimit64", "getrusage", "getcpu",
    "sched_getaffinity", "set_robust_list", "get_robust_list", "rseq", "set_tid_address",
    "membarrier", "sigaltstack", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "rt_sigtimedwait", "exit", "exit_group"};

class Builder {
 public:
    explicit Builder(scmp_filter_ctx context) noexcept : context_(context) {}

    void allow(const char* call, std::initializer_list<scmp_arg_cmp> when = {}) {
        add(SCMP_ACT_ALLOW, call, when);
    }
    void refuse(const char* call, int with_errno) {
        add(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(with_errno)), call, {});
    }
    [[nodiscard]] Result<void> result() const {
        if (failed_ == 0) return {};
        return fail_errno(-failed_, std::string("seccomp rule for ") + failed_call_);
    }

 private:
    void add(std::uint32_t action, const char* call, std::initializer_list<scmp_arg_cmp> when) {
        if (failed_ != 0) return;
        const int number = seccomp_syscall_resolve_name(call);
        // Not every architecture has every call, and libseccomp may be older than the kernel.
        if (number == __NR_SCMP_ERROR) return;
        failed_ = seccomp_rule_add_array(context_, action, number,
                                         static_cast<unsigned>(when.size()), when.begin());
        failed_call_ = call;
    }

    scmp_filter_ctx context_;
    int failed_ = 0;
    const char* failed_call_ = "";
};

scmp_arg_cmp equals(unsigned arg, std::uint64_t value) noexcept {
    return {arg, SCMP_CMP_MASKED_EQ, 0xffffffffULL, value};
}
scmp_arg_cmp bits(unsigned arg, std::uint64_t mask, std::uint64_t value) noexcept {
    return {arg, SCMP_CMP_MASKED_EQ, mask, value};
}

void add_conditional(Builder& rules) {
    rules.allow("socket", {equals(0, AF_UNIX)});
    rules.allow("socketpair", {equals(0, AF_UNIX)});
    for (const std::uint64_t command :
         {std::uint64_t{kTdxGetReport0}, std::uint64_t{kSnpGetDerivedKey},
          std::uint64_t{kSnpGetExtReport}, std::uint64_t{kPidfdGetInfo}, std::uint64_t{FIONBIO},
          std::uint64_t{FIOCLEX}, std::uint64_t{TCGETS}})
        rules.allow("ioctl", {equals(1, command)});
    // Nothing becomes code any more.
    rules.allow("mmap", {bits(2, PROT_EXEC, 0)});
    rules.allow("mprotect", {bits(2, PROT_EXEC, 0)});
    // A thread of this process, and no process. What clone3() asks for stands in memory that a
    // filter cannot see; without it the C library uses clone().
    rules.allow("clone", {bits(0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM)});
    rules.refuse("clone3", ENOSYS);
    rules.allow("prctl", {equals(0, PR_SET_NAME)});
    rules.allow("prctl", {equals(0, PR_SET_VMA)});
    // An abort() of this process's own.
    rules.allow("tgkill", {equals(0, static_cast<std::uint64_t>(::getpid()))});
}

}  // namespace

Result<bool> filter_syscalls() {
    const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
    if (!filter) return fail(Errc::memory_locked, "seccomp_init");
    Builder rules(filter.get());
    for (const char* const call : kAllowed) rules.allow(call);
    add_conditional(rules);
    ATTESTD_CHECK(rules.result());
    // The commonest calls are found by a search instead of one by one.
    if (const int set = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); set != 0)
        return fail_errno(-set, "seccomp_attr_set");
    if (const int loaded = seccomp_load(filter.get()); loaded != 0)
        return fail_errno(-loaded, "seccomp_load");
    return true;
}

}  // namespace attestd
