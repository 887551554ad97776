// Caller: what the kernel says about the process at the other end of a connection.
//
// identify() follows spec/workload-identity.md section 3, steps 1 to 10. Nothing in a Caller was
// said by the process itself. Any step that fails denies.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/caller/cgroup.h"
#include "agent/caller/kernel.h"
#include "agent/caller/proc.h"
#include "agent/clock.h"
#include "agent/inspect/message.h"
#include "config/config.h"

namespace attestd {

/// What attestd-inspect said about a process.
struct InspectedProcess {
    inspect::Facts facts;
    bool in_init_pidns = false;  ///< attestd's own
    bool in_init_userns = false;
};

/// Facts at the time of identification; they do not change, or the connection ends.
struct Caller {
    PeerCredentials peer;
    std::vector<gid_t> groups;  ///< supplementary
    std::string label;          ///< of the LSM; empty without one
    CgroupIdentity cgroup;
    std::uint64_t start_time = 0;
    std::uint64_t pidfd_inode = 0;
    bool weak_pid = false;  ///< known by pidfd_open() or less, not by SO_PEERPIDFD
    IdentityLevel level = IdentityLevel::l0;
    std::string socket;  ///< the listener's name
    /// Only where a rule that may match asks for it (agent/caller/inspection.h).
    std::optional<InspectedProcess> inspected;
    /// It is systemd, asking for the unit in whose cgroup it is: what else is known of the process
    /// (uid, groups, label, executable) is not the workload's, and matches nobody.
    bool for_unit = false;
    /// It calls over TCP, from here: the kernel names nobody, and only its listener is known.
    /// Nothing else of this is a fact then, and it never matches. Empty on Unix sockets.
    std::string tcp_address{};
};

/// What the kernel said within one turn of the event loop, so that a process with many connections
/// is asked about once. Bounded by the number of connections that a turn serves.
class TurnLook final {
 public:
    void clear() noexcept { seen_.clear(); }
    /// Null when it was not asked about in this turn, or its pidfd has no number.
    [[nodiscard]] const PidfdInfo* find(std::uint64_t pidfd_inode) const noexcept;
    void add(std::uint64_t pidfd_inode, const PidfdInfo& info);

 private:
    std::vector<std::pair<std::uint64_t, PidfdInfo>> seen_;
};

/// A caller and the means to see that it is still the same process.
class Peer final {
 public:
    /// Steps 1 to 7, directly after accept(). Errc::peer_foreign_pidns, Errc::peer_exited,
    /// Errc::peer_changed, Errc::peer_traced, the cgroup errors, Errc::platform_unsupported.
    [[nodiscard]] static Result<Peer> identify(const Kernel& kernel, int socket,
                                               std::string listener, const IdentityConfig& rules);

    /// Whoever calls over TCP, from `address`: nobody.
    [[nodiscard]] static Peer nameless(const Kernel& kernel, std::string listener,
                                       std::string address);
    [[nodiscard]] bool is_nameless() const noexcept { return !caller_.tcp_address.empty(); }

    /// Steps 4 to 7 again, before each release. What stands in /proc alone is not looked at when
    /// the last look is younger than `rules.trace_recheck`.
    [[nodiscard]] Result<void> recheck(const IdentityConfig& rules) const;
    /// The same but for step 6: nothing of it holds before the pidfd was seen to be silent
    /// afterwards. `look` is of this turn.
    [[nodiscard]] Result<void> recheck_facts(const IdentityConfig& rules, BootTime now,
                                             TurnLook& look) const;

    /// Step 10: the process that wrote is the one that connected. Errc::writer_mismatch.
    [[nodiscard]] Result<void> check_writer(const PeerCredentials& writer,
                                            const IdentityConfig& rules) const;

    /// Step 5 as far as it takes attestd-inspect.
    void note_inspection(InspectedProcess process) { caller_.inspected = std::move(process); }

    /// From now on it asks for the unit that it is in; who says so has checked that.
    void speak_for_unit() noexcept { caller_.for_unit = true; }

    [[nodiscard]] const Caller& caller() const noexcept { return caller_; }
    /// Becomes readable when the process exits; empty at level L0.
    [[nodiscard]] const Fd& pidfd() const noexcept { return pidfd_; }

 private:
    explicit Peer(const Kernel& kernel) : kernel_(&kernel) {}
    [[nodiscard]] Result<void> open_process(int socket, const IdentityConfig& rules);
    [[nodiscard]] Result<void> check_alive() const;
    [[nodiscard]] Result<void> check_owner(uid_t uid, gid_t gid) const;
    [[nodiscard]] Result<void> check_status(const IdentityConfig& rules) const;
    [[nodiscard]] Result<void> check_cgroup() const;
    [[nodiscard]] Result<PidfdInfo> ask_kernel(TurnLook& look) const;
    [[nodiscard]] bool is_in_numbered_cgroup() const noexcept;
    [[nodiscard]] Result<std::uint64_t> read_start_time() const;
    [[nodiscard]] Result<void> check_owners() const;

    const Kernel* kernel_;
    Caller caller_;
    Fd pidfd_, status_, cgroup_, stat_;
    std::string cgroup_text_;  // as identified: the same bytes mean the same place
    PidfdInfo info_{};         // as identified, where the kernel has it
    mutable BootTime looked_;  // when /proc was last read; no fact of the caller
};

/// Whether one of the workload's rules matches. A caller with uid 0 matches only by allow_root, but
/// for systemd that asks for a unit.
[[nodiscard]] bool matches(const Workload& workload, const Caller& caller);

/// Indices into Config::workloads of those that the caller is, in order.
[[nodiscard]] std::vector<std::uint32_t> match_workloads(const Config& config,
                                                         const Caller& caller);

/// What attestd-inspect must say before the rules can be judged; empty when everything that it
/// could say makes no difference for this caller.
[[nodiscard]] std::optional<inspect::Wanted> wanted_of(const Config& config, const Caller& caller);

}  // namespace attestd
