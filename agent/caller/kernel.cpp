#include "agent/caller/kernel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace attestd {
namespace {

// <linux/pidfd.h> of Linux 6.13; the first 64 bytes are what every kernel that has the call knows.
struct PidfdInfoRequest {
    std::uint64_t mask, cgroup;
    std::uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    std::int32_t exit_code;
};
static_assert(sizeof(PidfdInfoRequest) == 64);
static_assert(kPidfdGetInfo == _IOWR(0xff, 11, PidfdInfoRequest));
constexpr std::uint64_t kInfoOfOwner = 2, kInfoOfCgroup = 4;

constexpr long kPidfsMagic = 0x50494446;
constexpr std::size_t kMaxGroups = 65536;  // NGROUPS_MAX
constexpr std::size_t kMaxLabelLen = 4096;

bool has_peer_pidfd() {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return false;
    const Fd a(pair[0]), b(pair[1]);
    int pidfd = -1;
    socklen_t len = sizeof pidfd;
    if (::getsockopt(a.get(), SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) != 0) return false;
    const Fd closed_here(pidfd);
    return true;
}

bool has_pidfd_open() {
    const Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    return static_cast<bool>(self);
}

// The error number; 0 when the kernel told both owner and cgroup.
int ask_pidfd(int pidfd, PidfdInfoRequest& info) {
    constexpr std::uint64_t kWanted = kInfoOfOwner | kInfoOfCgroup;
    info.mask = kWanted;
    if (::ioctl(pidfd, kPidfdGetInfo, &info) != 0) return errno;
    return (info.mask & kWanted) == kWanted ? 0 : ESRCH;
}

bool probe_pidfd_info() {
    const Fd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    PidfdInfoRequest info{};
    return self && ask_pidfd(self.get(), info) == 0 && info.euid == ::geteuid();
}

// Descriptors of reaped peers came with 6.16; there is no way to try without a child.
bool is_at_least_6_16() {
    utsname name{};
    int major = 0, minor = 0;
    if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &major, &minor) != 2)
        return false;
    return major > 6 || (major == 6 && minor >= 16);
}

IdentityLevel probe_level() {
    if (has_peer_pidfd()) return is_at_least_6_16() ? IdentityLevel::l3 : IdentityLevel::l2;
    return has_pidfd_open() ? IdentityLevel::l1 : IdentityLevel::l0;
}

// The initial user namespace maps all numbers to themselves.
bool probe_user_namespace() {
    const Fd fd(::open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC));
    auto text = read_all(fd, 4096, "uid_map");
    if (!text) return true;
    unsigned long inside = 1, outside = 1, count = 0;
    const std::string map(as_text(*text));
    const bool parsed = std::sscanf(map.c_str(), "%lu %lu %lu", &inside, &outside, &count) == 3;
    return !parsed || inside != 0 || outside != 0 || count != 0xffffffffUL;
}

// Where the hierarchy is mounted on cgroup v2, hybrid and v1 systems.
std::string cgroup_mount(const std::string& hierarchy) {
    if (hierarchy == "systemd") return "/sys/fs/cgroup/systemd";
    struct stat st {};
    const bool unified = ::stat("/sys/fs/cgroup/cgroup.controllers", &st) == 0;
    return unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
}

tl::unexpected<Error> fail_proc(int error, std::string_view what) {
    if (error == ESRCH || error == ENOENT)
        return fail(Errc::peer_exited, fmt::format("{}: no such process", what));
    return fail_errno(error, what);
}

class RunningKernel final : public Kernel {
 public:
    RunningKernel()
        : level_(probe_level()),
          overflow_uid_(probe_user_namespace()),
          pidfd_info_(probe_pidfd_info()) {}

    IdentityLevel level() const override { return level_; }
    bool has_overflow_uid() const override { return overflow_uid_; }

    Result<PeerCredentials> peer_credentials(int socket) const override {
        ucred cred{};
        socklen_t len = sizeof cred;
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
            return fail_errno(errno, "SO_PEERCRED");
        }
        return PeerCredentials{cred.pid, cred.uid, cred.gid};
    }

    Result<Fd> peer_pidfd(int socket) const override {
        if (level_ < IdentityLevel::l2) return fail(Errc::platform_unsupported, "no SO_PEERPIDFD");
        int pidfd = -1;
        socklen_t len = sizeof pidfd;
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0) return Fd(pidfd);
        if (errno == ESRCH || errno == EINVAL) return fail(Errc::peer_exited, "the peer is gone");
        return fail_errno(errno, "SO_PEERPIDFD");
    }

    Result<Fd> open_pidfd(pid_t pid) const override {
        if (level_ == IdentityLevel::l0) return fail(Errc::platform_unsupported, "no pidfd_open");
        Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!fd) return fail_proc(errno, "pidfd_open");
        return fd;
    }

    Result<std::vector<gid_t>> peer_groups(int socket) const override {
        std::vector<gid_t> groups;
        socklen_t len = 0;
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &len) == 0) return groups;
        if (errno != ERANGE || len > kMaxGroups * sizeof(gid_t))
            return fail_errno(errno, "SO_PEERGROUPS");
        groups.resize(len / sizeof(gid_t));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &len) != 0) {
            return fail_errno(errno, "SO_PEERGROUPS");
        }
        return groups;
    }

    Result<std::string> peer_label(int socket) const override {
        std::string label(kMaxLabelLen, '\0');
        auto len = static_cast<socklen_t>(label.size());
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERSEC, label.data(), &len) != 0) {
            if (errno == ENOPROTOOPT) return std::string();
            return fail_errno(errno, "SO_PEERSEC");
        }
        label.resize(len);
        while (label.ends_with('\0')) label.pop_back();
        return label;
    }

    bool has_exited(const Fd& pidfd) const override {
        if (!pidfd) return false;
        pollfd p{pidfd.get(), POLLIN, 0};
        int n = 0;
        do {
            n = ::poll(&p, 1, 0);
        } while (n < 0 && errno == EINTR);
        return n != 0;  // readable, broken, or poll itself failed: none of them says that it lives
    }

    void look_for_exits(std::span<pollfd> pidfds) const override {
        int n = 0;
        do {
            n = ::poll(pidfds.data(), pidfds.size(), 0);
        } while (n < 0 && errno == EINTR);
        if (n >= 0) return;
        for (pollfd& one : pidfds) one.revents = POLLERR;  // not known to live
    }

    bool has_pidfd_info() const override { return pidfd_info_; }

    Result<PidfdInfo> pidfd_info(const Fd& pidfd) const override {
        PidfdInfoRequest info{};
        if (const int error = ask_pidfd(pidfd.get(), info); error != 0)
            return fail_proc(error, "PIDFD_GET_INFO");
        return PidfdInfo{info.euid, info.egid, info.cgroup};
    }

    std::uint64_t pidfd_inode(const Fd& pidfd) const override {
        struct statfs fs {};
        struct stat st {};
        if (!pidfd || ::fstatfs(pidfd.get(), &fs) != 0 || fs.f_type != kPidfsMagic) return 0;
        return ::fstat(pidfd.get(), &st) == 0 ? st.st_ino : 0;
    }

    Result<Fd> open_proc(pid_t pid) const override {
        Fd fd(::open(fmt::format("/proc/{}", pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!fd) return fail_proc(errno, "/proc/PID");
        return fd;
    }

    Result<Fd> open_proc_file(const Fd& folder, const char* name) const override {
        Fd fd(::openat(folder.get(), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
        if (!fd) return fail_proc(errno, name);
        return fd;
    }

    Result<std::string_view> read_proc(const Fd& file, std::span<char> buffer) const override {
        ssize_t n = 0;
        do {
            n = ::pread(file.get(), buffer.data(), buffer.size(), 0);
        } while (n < 0 && errno == EINTR);
        if (n < 0) return fail_proc(errno, "a file in /proc/PID");
        // The kernel makes these files in one piece and hands out all of it when the buffer is
        // larger.
        const auto len = static_cast<std::size_t>(n);
        if (len < buffer.size()) return std::string_view(buffer.data(), len);
        return fail(Errc::too_large, "a file in /proc/PID is larger than any that is expected");
    }

    Result<uid_t> cgroup_owner(const std::string& hierarchy,
                               const std::string& path) const override {
        struct stat st {};
        const std::string folder = cgroup_mount(hierarchy) + path;
        if (::lstat(folder.c_str(), &st) != 0) return fail_errno(errno, folder);
        if (!S_ISDIR(st.st_mode)) return fail(Errc::cgroup_malformed, folder + ": not a folder");
        return st.st_uid;
    }

 private:
    IdentityLevel level_;
    bool overflow_uid_;
    bool pidfd_info_;
};

}  // namespace

const Kernel& running_kernel() {
    static const RunningKernel kernel;
    return kernel;
}

}  // namespace attestd
