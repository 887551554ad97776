#include "agent/inspect/process.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace attestd::inspect {
namespace {

constexpr rlim_t kMaxFiles = 1024;  // three for each of kMaxJobs, and a few
constexpr unsigned kFirstOther = 3;
constexpr std::uint32_t kPtraceBit = std::uint32_t{1} << CAP_SYS_PTRACE;

using Capabilities = std::array<__user_cap_data_struct, 2>;

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
}

bool close_others(int keep) {
    const auto kept = static_cast<unsigned>(keep);
    return (kept == kFirstOther || ::close_range(kFirstOther, kept - 1, 0) == 0) &&
           ::close_range(kept + 1, ~0U, 0) == 0;
}

bool is_same(const Capabilities& a, const Capabilities& b) noexcept {
    const auto same = [](const __user_cap_data_struct& x, const __user_cap_data_struct& y) {
        return x.effective == y.effective && x.permitted == y.permitted;
    };
    return same(a[0], b[0]) && same(a[1], b[1]);
}

Result<void> drop_capabilities() {
    for (unsigned long cap = 0; ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap) {
        if (cap == CAP_SYS_PTRACE || ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0) continue;
        // Without CAP_SETPCAP the bounding set is whoever started this to narrow; nothing is
        // executed here, so that nothing of it is ever regained.
        if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
            return fail_errno(errno, "PR_CAPBSET_DROP");
    }
    static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    Capabilities held{}, wanted{};
    wanted[0].effective = wanted[0].permitted = kPtraceBit;
    // The unit's filter of system calls does not let capabilities be changed; nothing is left to.
    if (::syscall(SYS_capget, &header, held.data()) == 0 && is_same(held, wanted)) return {};
    if (::syscall(SYS_capset, &header, wanted.data()) == 0) return {};
    return fail(Errc::access_denied,
                "CAP_SYS_PTRACE is missing; attestd-inspect.service gives it that capability and "
                "no other");
}

}  // namespace

bool has_passed_socket() {
    return variable("LISTEN_FDS") == "1" &&
           variable("LISTEN_PID") == fmt::format_int(::getpid()).str();
}

Result<void> confine(const Fd& keep) {
    const rlimit none{0, 0}, few{kMaxFiles, kMaxFiles};
    ::umask(0077);
    std::signal(SIGPIPE, SIG_IGN);
    const bool closed = ::clearenv() == 0 && close_others(keep.get()) &&
                        ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
                        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                        ::setrlimit(RLIMIT_CORE, &none) == 0 &&
                        ::setrlimit(RLIMIT_NOFILE, &few) == 0;
    if (!closed) return fail_errno(errno, "confining the process");
    return drop_capabilities();
}

}  // namespace attestd::inspect
