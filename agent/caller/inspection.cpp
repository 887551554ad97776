#include "agent/caller/inspection.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "agent/caller/inspector.h"

namespace attestd {
namespace {

// Of this process; namespaces that it was started in and stays in.
std::uint64_t own_namespace(const char* path) {
    struct stat st {};
    return ::stat(path, &st) == 0 ? st.st_ino : 0;
}

InspectedProcess meaning_of(inspect::Facts facts) {
    static const std::uint64_t pid = own_namespace("/proc/self/ns/pid");
    static const std::uint64_t user = own_namespace("/proc/self/ns/user");
    InspectedProcess out;
    out.in_init_pidns = pid != 0 && facts.namespaces.pid == pid;
    out.in_init_userns = user != 0 && facts.namespaces.user == user;
    out.facts = std::move(facts);
    return out;
}

// The start time is the process', the file is what exec changes. A digest that was relied upon is
// one of that file as it was: not written to, not deleted since.
Result<void> check_same_process(const inspect::Facts& before, const inspect::Facts& now) {
    const bool same = before.start_time == now.start_time && before.exe.device == now.exe.device &&
                      before.exe.inode == now.exe.inode &&
                      before.namespaces.pid == now.namespaces.pid &&
                      before.namespaces.user == now.namespaces.user;
    if (!same)
        return fail(Errc::peer_changed, "the caller executed another file after it connected");
    const bool relied = before.sha256 || before.verity;
    if (relied && (before.exe.ctime_ns != now.exe.ctime_ns || before.exe.len != now.exe.len))
        return fail(Errc::peer_changed, "the caller's executable was changed or deleted");
    return {};
}

inspect::Request request_for(const Caller& caller, inspect::Wanted wanted) {
    return {wanted, caller.peer.uid};
}

}  // namespace

Result<void> check_inspector(const Config& config) {
    if (!config.needs_inspection()) return {};
    const auto& path = config.identity.inspect_socket;
    struct stat st {};
    if (::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) return {};
    return fail(Errc::bad_config,
                fmt::format("identity.inspect_socket: {} is no socket, and rules on executables or "
                            "namespaces need it; systemctl enable --now attestd-inspect.socket",
                            path.string()));
}

Task<Result<bool>> inspect_peer(std::shared_ptr<const Config> policy, Peer& peer) {
    const auto wanted = wanted_of(*policy, peer.caller());
    if (!wanted) co_return false;
    const inspect::Request request = request_for(peer.caller(), *wanted);
    auto facts = co_await ask_inspector(policy->identity.inspect_socket, peer.pidfd(), request);
    if (!facts) co_return tl::make_unexpected(std::move(facts).error());
    if (peer.caller().inspected)
        ATTESTD_CO_CHECK(check_same_process(peer.caller().inspected->facts, *facts));
    peer.note_inspection(meaning_of(*std::move(facts)));
    co_return true;
}

Task<Result<void>> reinspect_peer(std::shared_ptr<const Config> policy, const Peer& peer) {
    if (!policy->needs_inspection() || !wanted_of(*policy, peer.caller())) co_return Result<void>();
    if (!peer.caller().inspected) {
        co_return fail(Errc::inspect_failed,
                       "the rule is newer than what is known of the caller; it may ask again");
    }
    const inspect::Request request = request_for(peer.caller(), inspect::Wanted());
    const auto facts =
        co_await ask_inspector(policy->identity.inspect_socket, peer.pidfd(), request);
    if (!facts) co_return tl::make_unexpected(facts.error());
    co_return check_same_process(peer.caller().inspected->facts, *facts);
}

Task<Result<void>> check_peer_again(std::shared_ptr<const Config> policy, const Peer& peer) {
    auto same_file = co_await reinspect_peer(policy, peer);
    if (!same_file) co_return same_file;
    co_return peer.recheck(policy->identity);
}

Error explained(Error error, const Caller& caller) {
    if (error.code != Errc::secret_unavailable || !caller.inspected) return error;
    const auto why = inspect::digest_state_name(caller.inspected->facts.digest_state);
    if (why.empty()) return error;
    return {Errc::exe_refused,
            fmt::format("no rule matched, and the executable gave no digest: {}", why)};
}

}  // namespace attestd
