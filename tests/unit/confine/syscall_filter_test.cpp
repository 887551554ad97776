// The filter kills for every call that attestd does not need, and for none that it does.
#include "agent/confine/syscall_filter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>

#include "agent/caller/kernel.h"
#include "quote/base/fd.h"
#include "quote/base/secret.h"
#include "quote/platform/sev_guest.h"
#include "quote/platform/tdx_guest.h"
#include "tests/support/catch.h"
#include "tests/unit/confine/in_child.h"

namespace attestd::test {
namespace {

constexpr int kNotFiltered = 99;

Ending filtered(const std::function<int()>& trial) {
    return in_child([&] {
        const auto is_filtered = filter_syscalls();
        if (!is_filtered) return 98;
        return *is_filtered ? trial() : kNotFiltered;
    });
}

bool is_left_out() {
    return filtered([] { return 0; }) == Ending{kNotFiltered, 0};
}

struct Call {
    const char* name;
    std::function<long()> make;
};

void* page() {
    static void* const mapped =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mapped;
}

std::vector<Call> forbidden() {
    static const char* const kNoArgs[] = {nullptr};
    return {
        {"execve", [] { return ::syscall(SYS_execve, "/bin/true", kNoArgs, kNoArgs); }},
        {"execveat", [] { return ::syscall(SYS_execveat, -1, "/bin/true", kNoArgs, kNoArgs, 0); }},
        {"fork", [] { return ::syscall(SYS_fork); }},
        {"vfork",
         [] { return ::syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0); }},
        {"clone of a process", [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
        {"socket inet", [] { return ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }},
        {"socket inet6", [] { return ::syscall(SYS_socket, AF_INET6, SOCK_DGRAM, 0); }},
        {"socket netlink", [] { return ::syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0); }},
        {"socket packet", [] { return ::syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0); }},
        {"socket vsock", [] { return ::syscall(SYS_socket, AF_VSOCK, SOCK_STREAM, 0); }},
        // Only the lower half of the word is the kernel's.
        {"socket inet in 64 bits",
         [] { return ::syscall(SYS_socket, (1L << 32) | AF_INET, SOCK_STREAM, 0); }},
        {"mmap of code",
         [] {
             return ::syscall(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                              -1, 0);
         }},
        {"mprotect to code",
         [] { return ::syscall(SYS_mprotect, page(), 4096, PROT_READ | PROT_EXEC); }},
        {"pkey_mprotect",
         [] { return ::syscall(SYS_pkey_mprotect, page(), 4096, PROT_READ | PROT_EXEC, -1); }},
        {"ptrace", [] { return ::syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
        {"process_vm_readv",
         [] { return ::syscall(SYS_process_vm_readv, ::getppid(), 0, 0, 0, 0, 0); }},
        {"pidfd_getfd", [] { return ::syscall(SYS_pidfd_getfd, -1, 0, 0); }},
        {"kill", [] { return ::syscall(SYS_kill, ::getpid(), 0); }},
        {"tgkill another", [] { return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0); }},
        {"ioctl TIOCSTI", [] { return ::syscall(SYS_ioctl, 0, TIOCSTI, "x"); }},
        {"ioctl of a register's extension", [] { return ::syscall(SYS_ioctl, 0, 0x40385403, 0); }},
        {"prctl dumpable", [] { return ::syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }},
        {"prctl seccomp", [] { return ::syscall(SYS_prctl, PR_SET_SECCOMP, 2, 0, 0, 0); }},
        {"seccomp", [] { return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, 0); }},
        {"unshare", [] { return ::syscall(SYS_unshare, CLONE_NEWUSER); }},
        {"setns", [] { return ::syscall(SYS_setns, -1, 0); }},
        {"mount", [] { return ::syscall(SYS_mount, 0, "/", 0, 0, 0); }},
        {"pivot_root", [] { return ::syscall(SYS_pivot_root, "/", "/"); }},
        {"chroot", [] { return ::syscall(SYS_chroot, "/"); }},
        {"setuid", [] { return ::syscall(SYS_setuid, 0); }},
        {"setresuid", [] { return ::syscall(SYS_setresuid, -1, -1, -1); }},
        {"capset", [] { return ::syscall(SYS_capset, 0, 0); }},
        {"keyctl", [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }},
        {"add_key", [] { return ::syscall(SYS_add_key, "user", "x", "y", 1, 0); }},
        {"bpf", [] { return ::syscall(SYS_bpf, 0, 0, 0); }},
        {"perf_event_open", [] { return ::syscall(SYS_perf_event_open, 0, 0, -1, -1, 0); }},
        {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, 0); }},
        {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
        {"memfd_create", [] { return ::syscall(SYS_memfd_create, "x", 0); }},
        {"name_to_handle_at", [] { return ::syscall(SYS_open_by_handle_at, -1, 0, 0); }},
        {"symlink", [] { return ::syscall(SYS_symlink, "/etc", "/tmp/x"); }},
        {"link", [] { return ::syscall(SYS_link, "/no/such", "/no/such2"); }},
        {"mknod", [] { return ::syscall(SYS_mknod, "/no/such/x", 0, 0); }},
        {"personality", [] { return ::syscall(SYS_personality, 0xffffffff); }},
        {"clock_settime", [] { return ::syscall(SYS_clock_settime, -1, 0); }},
        {"syslog", [] { return ::syscall(SYS_syslog, 10, 0, 0); }},
        {"reboot", [] { return ::syscall(SYS_reboot, 0, 0, 0, 0); }},
        {"init_module", [] { return ::syscall(SYS_init_module, 0, 0, ""); }},
        {"a call that no kernel has", [] { return ::syscall(4999); }},
    };
}

}  // namespace

TEST_CASE("syscall filter: a call that attestd does not need ends the process", "[confine]") {
    if (is_left_out()) ATTESTD_SKIP("this build has no filter");
    static_cast<void>(page());
    for (const Call& call : forbidden()) {
        INFO(call.name);
        const Ending ending = filtered([&] {
            static_cast<void>(call.make());
            return 0;
        });
        CHECK(ending.signal == SIGSYS);
    }
}

TEST_CASE("syscall filter: another thread cannot make it either", "[confine]") {
    if (is_left_out()) ATTESTD_SKIP("this build has no filter");
    const Ending ending = filtered([] {
        std::thread([] { ::syscall(SYS_unshare, CLONE_NEWUSER); }).join();
        return 0;
    });
    CHECK(ending.signal == SIGSYS);
}

TEST_CASE("syscall filter: what attestd does goes on", "[confine]") {
    if (is_left_out()) ATTESTD_SKIP("this build has no filter");
    const std::vector<std::pair<const char*, std::function<bool()>>> rows{
        {"threads",
         [] {
             std::atomic<int> num{0};
             std::thread one([&] { ++num; }), two([&] { ++num; });
             one.join();
             two.join();
             return num == 2;
         }},
        {"files", [] { return read_file("/proc/sys/kernel/random/boot_id", 64).has_value(); }},
        {"Unix sockets",
         [] {
             std::array<int, 2> pair{};
             if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
                 return false;
             const Fd a(pair[0]), b(pair[1]);
             char byte = 0;
             const Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
             return ::write(a.get(), "x", 1) == 1 && ::read(b.get(), &byte, 1) == 1 && epoll &&
                    byte == 'x';
         }},
        {"secrets", [] { return Secret::random(32).has_value(); }},
        {"memory",
         [] {
             std::vector<std::string> many(1000, std::string(10000, 'x'));
             return many.size() == 1000;
         }},
        {"exceptions",
         [] {
             try {
                 throw std::system_error(std::make_error_code(std::errc::io_error));
             } catch (const std::system_error&) {
                 return true;
             }
         }},
        {"the devices' commands",
         [] {
             const Fd file = open_file("/dev/null", O_RDWR).value();
             for (const std::uint32_t command :
                  {kTdxGetReport0, kSnpGetDerivedKey, kSnpGetExtReport, kPidfdGetInfo}) {
                 if (::ioctl(file.get(), command, nullptr) == 0 || errno != ENOTTY) return false;
             }
             return true;
         }},
        {"clone3 is told to be absent",
         [] { return ::syscall(SYS_clone3, nullptr, 0) == -1 && errno == ENOSYS; }},
    };
    for (const auto& [name, works] : rows) {
        INFO(name);
        CHECK(filtered([&, w = &works] { return (*w)() ? 0 : 1; }) == Ending{0, 0});
    }
}

TEST_CASE("syscall filter: abort() still aborts", "[confine]") {
    if (is_left_out()) ATTESTD_SKIP("this build has no filter");
    CHECK(filtered([]() -> int { ::abort(); }).signal == SIGABRT);
}

}  // namespace attestd::test
