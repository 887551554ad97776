#include "agent/caller/caller.h"

#include <fmt/format.h>

#include <algorithm>

namespace attestd {
namespace {

constexpr uid_t kOverflowUid = 65534;
constexpr std::size_t kMaxProcLen = 65536;  // a long cgroup path, thousands of supplementary groups

// Where files of /proc are read into, one at a time: they are looked at before each release.
std::span<char> scratch() noexcept {
    thread_local std::array<char, kMaxProcLen> buffer;
    return buffer;
}

}  // namespace

Result<Peer> Peer::identify(const Kernel& kernel, int socket, std::string listener,
                            const IdentityConfig& rules) {
    Peer peer(kernel);
    Caller& caller = peer.caller_;
    caller.socket = std::move(listener);
    caller.level = kernel.level();
    ATTESTD_TRY(caller.peer, kernel.peer_credentials(socket));
    if (caller.peer.pid <= 0) {
        return fail(Errc::peer_foreign_pidns,
                    "the caller's pid cannot be seen from attestd's namespace");
    }
    if (kernel.has_overflow_uid() && caller.peer.uid == kOverflowUid) {
        return fail(Errc::caller_unknown,
                    "attestd runs in a user namespace that does not map the caller's uid");
    }
    ATTESTD_CHECK(peer.open_process(socket, rules));
    ATTESTD_CHECK(peer.check_alive());
    ATTESTD_TRY(caller.groups, kernel.peer_groups(socket));
    ATTESTD_TRY(caller.label, kernel.peer_label(socket));
    peer.looked_ = BootClock::now();
    // Before its text: when it moves in between, the number is the old one and no re-check passes.
    if (peer.pidfd_ && kernel.has_pidfd_info()) {
        ATTESTD_TRY(peer.info_, kernel.pidfd_info(peer.pidfd_));
    }
    ATTESTD_CHECK(peer.check_status(rules));
    ATTESTD_TRY(caller.start_time, peer.read_start_time());
    ATTESTD_TRY(peer.cgroup_text_, kernel.read_proc(peer.cgroup_, scratch()));
    // All of it was read while the process existed, so its number was never another's meanwhile:
    // with a pidfd of the peer that is certain, else a second sample narrows the window.
    if (caller.weak_pid) ATTESTD_CHECK(peer.recheck(rules));
    ATTESTD_CHECK(peer.check_alive());
    ATTESTD_TRY(caller.cgroup, parse_cgroup(peer.cgroup_text_, rules.container_patterns));
    ATTESTD_CHECK(peer.check_owners());
    caller.pidfd_inode = kernel.pidfd_inode(peer.pidfd_);
    return peer;
}

Peer Peer::nameless(const Kernel& kernel, std::string listener, std::string address) {
    constexpr auto kNobody = static_cast<uid_t>(-1);  // what SO_PEERCRED says of such a socket
    Peer peer(kernel);
    peer.caller_.peer = {0, kNobody, kNobody};
    peer.caller_.level = kernel.level();
    peer.caller_.socket = std::move(listener);
    peer.caller_.tcp_address = std::move(address);
    return peer;
}

Result<void> Peer::open_process(int socket, const IdentityConfig& rules) {
    auto pidfd = kernel_->peer_pidfd(socket);
    if (!pidfd && pidfd.error().code == Errc::platform_unsupported) {
        if (rules.require_peer_pidfd.value_or(false)) {
            return fail(Errc::platform_unsupported,
                        "identity.require_peer_pidfd is set and this kernel has "
                        "no SO_PEERPIDFD");
        }
        caller_.weak_pid = true;
        if (kernel_->level() >= IdentityLevel::l1) pidfd = kernel_->open_pidfd(caller_.peer.pid);
    }
    if (!pidfd && kernel_->level() != IdentityLevel::l0) return tl::make_unexpected(pidfd.error());
    if (pidfd) pidfd_ = *std::move(pidfd);
    // The files stay open: each later look is one read, and they never turn into another process'
    // files.
    ATTESTD_TRY(const Fd folder, kernel_->open_proc(caller_.peer.pid));
    ATTESTD_TRY(status_, kernel_->open_proc_file(folder, "status"));
    ATTESTD_TRY(cgroup_, kernel_->open_proc_file(folder, "cgroup"));
    ATTESTD_TRY(stat_, kernel_->open_proc_file(folder, "stat"));
    return {};
}

Result<void> Peer::check_alive() const {
    if (!kernel_->has_exited(pidfd_)) return {};
    return fail(Errc::peer_exited, "the process that connected is gone");
}

Result<void> Peer::check_owner(uid_t uid, gid_t gid) const {
    if (uid == caller_.peer.uid && gid == caller_.peer.gid) return {};
    return fail(Errc::peer_changed, fmt::format("connected as {}:{}, is now {}:{}",
                                                caller_.peer.uid, caller_.peer.gid, uid, gid));
}

Result<void> Peer::check_status(const IdentityConfig& rules) const {
    ATTESTD_TRY(const auto text, kernel_->read_proc(status_, scratch()));
    ATTESTD_TRY(const ProcStatus status, parse_proc_status(text));
    ATTESTD_CHECK(check_owner(status.uid, status.gid));
    if (status.tracer_pid != 0 && !rules.allow_traced) {
        return fail(Errc::peer_traced, fmt::format("traced by pid {}", status.tracer_pid));
    }
    return {};
}

Result<void> Peer::check_cgroup() const {
    ATTESTD_TRY(const auto text, kernel_->read_proc(cgroup_, scratch()));
    if (text == cgroup_text_) return {};
    return fail(Errc::peer_changed, "the process moved to another cgroup");
}

// The kernel numbers cgroups of the unified hierarchy; names of the hybrid one are in /proc alone.
bool Peer::is_in_numbered_cgroup() const noexcept {
    return info_.cgroup != 0 && caller_.cgroup.hierarchy == "unified";
}

Result<std::uint64_t> Peer::read_start_time() const {
    ATTESTD_TRY(const auto text, kernel_->read_proc(stat_, scratch()));
    return parse_start_time(text);
}

Result<void> Peer::check_owners() const {
    for (const std::string& folder : caller_.cgroup.trusted_dirs) {
        ATTESTD_TRY(const uid_t owner, kernel_->cgroup_owner(caller_.cgroup.hierarchy, folder));
        if (owner == 0) continue;
        return fail(Errc::cgroup_delegated,
                    fmt::format("cgroup-delegated: {} belongs to uid {}, who can "
                                "make any name below it",
                                folder, owner));
    }
    return {};
}

const PidfdInfo* TurnLook::find(std::uint64_t pidfd_inode) const noexcept {
    if (pidfd_inode == 0) return nullptr;
    for (const auto& [inode, info] : seen_) {
        if (inode == pidfd_inode) return &info;
    }
    return nullptr;
}

void TurnLook::add(std::uint64_t pidfd_inode, const PidfdInfo& info) {
    seen_.emplace_back(pidfd_inode, info);
}

Result<PidfdInfo> Peer::ask_kernel(TurnLook& look) const {
    if (const PidfdInfo* const seen = look.find(caller_.pidfd_inode)) return *seen;
    ATTESTD_TRY(const PidfdInfo info, kernel_->pidfd_info(pidfd_));
    look.add(caller_.pidfd_inode, info);
    return info;
}

Result<void> Peer::recheck(const IdentityConfig& rules) const {
    if (is_nameless()) return {};
    ATTESTD_CHECK(check_alive());
    TurnLook fresh;
    ATTESTD_CHECK(recheck_facts(rules, BootClock::now(), fresh));
    return check_alive();
}

// Who attaches a tracer right after a look has what the process has, however often one looks: so
// that one look serves for a moment. Uid, gid and every fact that a rule rests on do not wait.
Result<void> Peer::recheck_facts(const IdentityConfig& rules, BootTime now, TurnLook& look) const {
    const bool has_info = pidfd_ && kernel_->has_pidfd_info();
    const bool is_due = !has_info || now - looked_ >= rules.trace_recheck;
    if (has_info) {
        ATTESTD_TRY(const PidfdInfo info, ask_kernel(look));
        ATTESTD_CHECK(check_owner(info.uid, info.gid));
        if (is_in_numbered_cgroup() && info.cgroup != info_.cgroup)
            return fail(Errc::peer_changed, "the process moved to another cgroup");
    }
    if (is_due || (rules.cgroup_matters && !is_in_numbered_cgroup())) ATTESTD_CHECK(check_cgroup());
    if (!is_due) return {};
    ATTESTD_CHECK(check_status(rules));
    // A pidfd of the peer proves by itself that this is still the process; without one the start
    // time narrows the window.
    if (caller_.weak_pid) {
        ATTESTD_TRY(const std::uint64_t start_time, read_start_time());
        if (start_time != caller_.start_time)
            return fail(Errc::peer_changed, "the start time changed");
    }
    looked_ = now;
    return {};
}

Result<void> Peer::check_writer(const PeerCredentials& writer, const IdentityConfig& rules) const {
    if (rules.allow_inherited_connection || is_nameless()) return {};
    if (writer.pid == caller_.peer.pid && writer.uid == caller_.peer.uid) return {};
    return fail(Errc::writer_mismatch,
                fmt::format("pid {} (uid {}) connected, pid {} (uid {}) wrote", caller_.peer.pid,
                            caller_.peer.uid, writer.pid, writer.uid));
}

}  // namespace attestd
