// Kernel: the system calls by which a peer is known, and nothing else; tests put another one in
// place.
//
// Constants that Debian 12's headers lack are defined in the implementation, and everything newer
// than Linux 5.3 is probed: the same binary runs on 5.15 and uses more where there is more.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd {

/// What the kernel offers (spec/workload-identity.md section 5).
enum class IdentityLevel : std::uint8_t { l0, l1, l2, l3 };

[[nodiscard]] constexpr std::string_view identity_level_name(IdentityLevel level) noexcept {
    constexpr std::string_view kNames[] = {"L0", "L1", "L2", "L3"};
    return kNames[static_cast<std::size_t>(level)];
}

struct PeerCredentials {
    pid_t pid;  ///< 0 when it lives in a pid namespace that cannot be seen from here
    uid_t uid;
    gid_t gid;

    friend bool operator==(const PeerCredentials&, const PeerCredentials&) = default;
};

/// What PIDFD_GET_INFO says of a process, as of the call.
/// The ioctl() by which a pidfd tells whose it is (Linux 6.13): _IOWR(0xff, 11, 64 bytes).
inline constexpr std::uint32_t kPidfdGetInfo = 0xc040ff0b;

struct PidfdInfo {
    uid_t uid;  ///< effective
    gid_t gid;
    std::uint64_t cgroup;  ///< number of its cgroup in the unified hierarchy; never used twice
};

class Kernel {
 public:
    virtual ~Kernel() = default;

    [[nodiscard]] virtual IdentityLevel level() const = 0;
    /// Whether uid 65534 may be anyone: attestd runs in a user namespace.
    [[nodiscard]] virtual bool has_overflow_uid() const = 0;

    [[nodiscard]] virtual Result<PeerCredentials> peer_credentials(int socket) const = 0;
    /// SO_PEERPIDFD. Errc::platform_unsupported where the kernel has no such thing,
    /// Errc::peer_exited.
    [[nodiscard]] virtual Result<Fd> peer_pidfd(int socket) const = 0;
    /// pidfd_open(2). Errc::peer_exited, Errc::platform_unsupported.
    [[nodiscard]] virtual Result<Fd> open_pidfd(pid_t pid) const = 0;
    [[nodiscard]] virtual Result<std::vector<gid_t>> peer_groups(int socket) const = 0;
    /// The LSM's label; empty where no LSM labels sockets.
    [[nodiscard]] virtual Result<std::string> peer_label(int socket) const = 0;

    /// A process that has exited, reaped or not. False without a pidfd.
    [[nodiscard]] virtual bool has_exited(const Fd& pidfd) const = 0;
    /// The same of many at once, as poll(2) says it: `revents` of those that live are 0.
    virtual void look_for_exits(std::span<pollfd> pidfds) const = 0;
    /// Whether pidfd_info() works (Linux 6.13).
    [[nodiscard]] virtual bool has_pidfd_info() const = 0;
    /// Says nothing about life: a process that has exited and is not reaped still has all of it.
    /// Errc::peer_exited once it is reaped.
    [[nodiscard]] virtual Result<PidfdInfo> pidfd_info(const Fd& pidfd) const = 0;
    /// The pidfd's inode, which no other process ever has again; 0 where pidfds have none
    /// (before 6.9).
    [[nodiscard]] virtual std::uint64_t pidfd_inode(const Fd& pidfd) const = 0;

    /// The folder /proc/PID, and a file in it.
    [[nodiscard]] virtual Result<Fd> open_proc(pid_t pid) const = 0;
    [[nodiscard]] virtual Result<Fd> open_proc_file(const Fd& folder, const char* name) const = 0;
    /// Reads the file anew from its beginning. Errc::peer_exited when its process is gone,
    /// Errc::too_large when `buffer` does not hold all of it.
    [[nodiscard]] virtual Result<std::string_view> read_proc(const Fd& file,
                                                             std::span<char> buffer) const = 0;
    /// Who owns a folder of cgroupfs; `hierarchy` is "unified" or "systemd".
    [[nodiscard]] virtual Result<uid_t> cgroup_owner(const std::string& hierarchy,
                                                     const std::string& path) const = 0;
};

/// The running kernel; probed once.
[[nodiscard]] const Kernel& running_kernel();

}  // namespace attestd
