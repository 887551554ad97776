#include "agent/inspect/subject.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fsverity.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "agent/caller/proc.h"
#include "quote/base/ossl.h"

namespace attestd::inspect {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxStatLen = 4096;
constexpr std::size_t kChunkLen = std::size_t{128} << 10;
constexpr long kFuseMagic = 0x65735546;

bool has_exited(const Fd& pidfd) noexcept {
    pollfd p{pidfd.get(), POLLIN, 0};
    return ::poll(&p, 1, 0) != 0;  // readable or broken: neither says that it lives
}

// What one look at the process sees; two of them must agree.
struct Look {
    std::uint64_t start_time = 0;
    ExecutableFile exe;
    Namespaces namespaces;
    mode_t mode = 0;
    Fd file;  // O_PATH: names the file without opening it

    [[nodiscard]] bool is_same(const Look& other) const noexcept {
        return start_time == other.start_time && exe.device == other.exe.device &&
               exe.inode == other.exe.inode && namespaces == other.namespaces;
    }
};

Result<std::uint64_t> start_time_of(const Fd& folder) {
    ATTESTD_TRY(const Fd file, open_at(folder, "stat", O_RDONLY));
    ATTESTD_TRY(const Bytes text, read_all(file, kMaxStatLen, "stat"));
    return parse_start_time(as_text(text));
}

Result<Namespaces> namespaces_of(const Fd& folder) {
    Namespaces out;
    const auto look = [&](const char* name, std::uint64_t& inode) -> Result<void> {
        struct stat st {};
        if (::fstatat(folder.get(), name, &st, 0) != 0) return fail_errno(errno, name);
        inode = st.st_ino;
        return {};
    };
    ATTESTD_CHECK(look("ns/pid", out.pid));
    ATTESTD_CHECK(look("ns/user", out.user));
    ATTESTD_CHECK(look("ns/mnt", out.mnt));
    ATTESTD_CHECK(look("ns/cgroup", out.cgroup));
    ATTESTD_CHECK(look("ns/net", out.net));
    return out;
}

ExecutableFile facts_of(const struct stat& st) noexcept {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const auto ctime_ns = static_cast<std::uint64_t>(st.st_ctim.tv_sec) * kNsPerSecond +
                          static_cast<std::uint64_t>(st.st_ctim.tv_nsec);
    return {st.st_dev, st.st_ino, st.st_nlink, static_cast<std::uint64_t>(st.st_size), ctime_ns};
}

Result<Look> look_once(const Fd& folder) {
    Look out;
    ATTESTD_TRY(out.start_time, start_time_of(folder));
    ATTESTD_TRY(out.namespaces, namespaces_of(folder));
    // The link leads to the running file itself, whatever lies at its path by now.
    out.file.reset(::openat(folder.get(), "exe", O_PATH | O_CLOEXEC));
    struct stat st {};
    if (!out.file || ::fstat(out.file.get(), &st) != 0) return fail_errno(errno, "exe");
    out.exe = facts_of(st);
    out.mode = st.st_mode;
    return out;
}

DigestState why_not(const Look& look, const Wanted& wanted, std::uint64_t max_len) noexcept {
    struct statfs fs {};
    if (!S_ISREG(look.mode)) return DigestState::not_a_file;
    if (look.exe.num_links == 0 && !wanted.unlinked) return DigestState::unlinked;
    if (look.exe.len > max_len) return DigestState::too_large;
    if (::fstatfs(look.file.get(), &fs) != 0) return DigestState::unreadable;
    // Its content is what a process of the user's says at each read.
    if (fs.f_type == kFuseMagic) return DigestState::user_storage;
    return DigestState::done;
}

// Through the descriptor, so that it is the very file that was looked at.
Fd open_for_reading(const Fd& path_fd) {
    const std::string link = fmt::format("/proc/self/fd/{}", path_fd.get());
    return Fd(::open(link.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

DigestState state_of(const Error& error) noexcept {
    if (error.code == Errc::timed_out) return DigestState::timed_out;
    return error.code == Errc::exe_refused ? DigestState::modified : DigestState::unreadable;
}

std::optional<Sha256> verity_digest(const Fd& file) {
    // The header's structure ends in an array of no length; the kernel is told how much follows it.
    constexpr std::size_t kHeadLen = sizeof(fsverity_digest);
    alignas(fsverity_digest) std::array<std::uint8_t, kHeadLen + Sha256().size()> buffer{};
    auto* const head = new (buffer.data()) fsverity_digest{};
    head->digest_size = static_cast<std::uint16_t>(Sha256().size());
    if (::ioctl(file.get(), FS_IOC_MEASURE_VERITY, buffer.data()) != 0) return std::nullopt;
    if (head->digest_algorithm != FS_VERITY_HASH_ALG_SHA256 || head->digest_size != Sha256().size())
        return std::nullopt;
    Sha256 out;
    std::copy(buffer.begin() + kHeadLen, buffer.end(), out.begin());
    return out;
}

void add_digests(Facts& facts, const Look& look, const Request& request, const Bounds& bounds,
                 const DigestCache& cache) {
    const Wanted& wanted = request.wanted;
    if (!wanted.sha256 && !wanted.verity) return;
    facts.digest_state = why_not(look, wanted, bounds.max_len);
    const bool refused = facts.digest_state != DigestState::done;
    facts.digest_state = refused ? facts.digest_state : DigestState::not_asked;
    if (refused) return;
    if (wanted.sha256) facts.sha256 = cache.find(request.uid, look.exe);
    if (facts.sha256) facts.digest_state = DigestState::done;
    if (facts.sha256 && !wanted.verity) return;

    const Fd file = open_for_reading(look.file);
    if (!file) {
        if (!facts.sha256) facts.digest_state = DigestState::unreadable;
        return;
    }
    if (wanted.verity) facts.verity = verity_digest(file);
    if (!wanted.sha256 || facts.sha256) return;
    const auto digest = digest_file(file, look.exe.len, bounds.deadline);
    facts.digest_state = digest ? DigestState::done : state_of(digest.error());
    if (digest) facts.sha256 = *digest;
}

// The text of the link is the process' own idea, in its own mount namespace. It counts only when
// the inspector, in the machine's, finds this very file there.
std::string confirmed_path(const Fd& folder, const ExecutableFile& exe) {
    std::array<char, kMaxPathLen + 1> buffer{};
    const ssize_t n = ::readlinkat(folder.get(), "exe", buffer.data(), buffer.size());
    if (n <= 0 || static_cast<std::size_t>(n) > kMaxPathLen || buffer[0] != '/') return {};
    std::string path(buffer.data(), static_cast<std::size_t>(n));
    struct stat st {};
    const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (::fstatat(AT_FDCWD, path.c_str(), &st, flags) != 0) return {};
    const bool same = st.st_dev == exe.device && st.st_ino == exe.inode && exe.num_links != 0;
    return same ? path : std::string();
}

Result<Facts> facts_now(const Fd& folder, const Request& request, const Bounds& bounds,
                        const DigestCache& cache) {
    ATTESTD_TRY(const Look before, look_once(folder));
    Facts out;
    out.start_time = before.start_time;
    out.exe = before.exe;
    out.namespaces = before.namespaces;
    add_digests(out, before, request, bounds, cache);
    if (request.wanted.path) out.path = confirmed_path(folder, before.exe);
    ATTESTD_TRY(const Look after, look_once(folder));
    if (!before.is_same(after)) return fail(Errc::peer_changed, "it executed something else");
    if (before.exe != after.exe && out.sha256) {  // written to or unlinked meanwhile
        out.sha256.reset();
        out.digest_state = DigestState::modified;
    }
    return out;
}

Outcome outcome_of(const Error& error) noexcept {
    if (error.code == Errc::peer_exited) return Outcome::exited;
    if (error.code == Errc::peer_changed) return Outcome::changed;
    return error.code == Errc::peer_foreign_pidns ? Outcome::foreign : Outcome::failed;
}

}  // namespace

Result<pid_t> pid_of(const Fd& pidfd) {
    constexpr std::string_view kKey = "\nPid:\t";
    ATTESTD_TRY(const Bytes bytes,
                read_file(fmt::format("/proc/self/fdinfo/{}", pidfd.get()), kMaxStatLen));
    std::string_view text = as_text(bytes);
    const auto at = text.find(kKey);
    if (at == text.npos) return fail(Errc::bad_value, "the descriptor is no pidfd");
    text.remove_prefix(at + kKey.size());
    text = text.substr(0, text.find('\n'));
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc() || end != text.data() + text.size())
        return fail(Errc::bad_value, "the descriptor is no pidfd");
    if (pid == 0) return fail(Errc::peer_foreign_pidns, "its pid cannot be seen from here");
    if (pid < 0) return fail(Errc::peer_exited, "the process is gone");
    return pid;
}

Result<Sha256> digest_file(const Fd& file, std::uint64_t len, Clock::time_point deadline) {
    const EvpMdCtx ctx(EVP_MD_CTX_new());
    Sha256 out{};
    if (!ctx || EVP_DigestInit_ex(ctx.get(), EVP_sha256(), nullptr) != 1)
        return fail_crypto("SHA-256");
    Bytes chunk(kChunkLen);
    for (std::uint64_t at = 0;;) {
        if (Clock::now() >= deadline) return fail(Errc::timed_out, "reading the executable");
        const ssize_t n = ::pread(file.get(), chunk.data(), chunk.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "reading the executable");
        if (n == 0 && at == len) break;
        at += static_cast<std::uint64_t>(n);
        // The end must be where it was said to be; not one chunk is read beyond.
        if (n == 0 || at > len) return fail(Errc::exe_refused, "the file changed its length");
        if (EVP_DigestUpdate(ctx.get(), chunk.data(), static_cast<std::size_t>(n)) != 1)
            return fail_crypto("SHA-256");
    }
    if (EVP_DigestFinal_ex(ctx.get(), out.data(), nullptr) != 1) return fail_crypto("SHA-256");
    return out;
}

Answer look_at(const Fd& pidfd, const Request& request, const Bounds& bounds,
               const DigestCache& cache) {
    const auto refused = [&](const Error& error) {
        return Answer{has_exited(pidfd) ? Outcome::exited : outcome_of(error), {}};
    };
    const auto pid = pid_of(pidfd);
    if (!pid) return Answer{outcome_of(pid.error()), {}};
    const auto folder = open_file(fmt::format("/proc/{}", *pid), O_PATH | O_DIRECTORY);
    if (!folder) return refused(folder.error());
    const auto facts = facts_now(*folder, request, bounds, cache);
    // All of it was read while the process existed, so its number was never another's meanwhile.
    if (has_exited(pidfd)) return Answer{Outcome::exited, {}};
    if (!facts) return refused(facts.error());
    return Answer{Outcome::done, *facts};
}

}  // namespace attestd::inspect
