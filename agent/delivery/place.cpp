#include "agent/delivery/place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace attestd {
namespace {

constexpr mode_t kAllowedMode = 0660;
constexpr mode_t kOthersWrite = 0022;
constexpr std::size_t kMaxProcFileLen = std::size_t{4} << 20;

std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    return word;
}

bool has_option(std::string_view options, std::string_view wanted) {
    while (!options.empty()) {
        const auto comma = options.find(',');
        if (options.substr(0, comma) == wanted) return true;
        if (comma == options.npos) break;
        options.remove_prefix(comma + 1);
    }
    return false;
}

// proc_pid_mountinfo(5): the third word is the device, the last one the file system's options.
bool is_noswap_line(std::string_view line, std::string_view device) {
    take_word(line);
    take_word(line);
    if (take_word(line) != device) return false;
    return has_option(line.substr(line.rfind(' ') + 1), "noswap");
}

template <class F>
bool any_line(std::string_view text, F is_it) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        if (is_it(text.substr(0, end))) return true;
        if (end == text.npos) break;
        text.remove_prefix(end + 1);
    }
    return false;
}

// A file on its way into place.
std::string fresh_name(const std::string& name) { return "." + name + ".attestd"; }

Result<void> remove_one(const Fd& folder, const std::string& name) {
    if (::unlinkat(folder.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
    return fail_errno(errno, name);
}

tl::unexpected<Error> fail_insecure(std::string_view folder, std::string_view why) {
    return fail(Errc::delivery_insecure, fmt::format("{}: {}", folder, why));
}

}  // namespace

bool is_noswap(std::string_view mountinfo, unsigned major, unsigned minor) {
    const std::string device = fmt::format("{}:{}", major, minor);
    return any_line(mountinfo, [&](std::string_view line) { return is_noswap_line(line, device); });
}

Result<void> judge_place(const PlaceFacts& facts, std::string_view folder) {
    if (facts.fs_magic != RAMFS_MAGIC && facts.fs_magic != TMPFS_MAGIC) {
        return fail_insecure(folder,
                             "is on a disk, where a secret stays; take a folder on ramfs or tmpfs, "
                             "such as one below /run");
    }
    if (facts.fs_magic == TMPFS_MAGIC && facts.has_swap && !facts.is_noswap) {
        return fail_insecure(folder,
                             "is on tmpfs, which can be swapped out to a disk; mount one with "
                             "noswap (Linux 6.4), or ramfs, or turn swap off");
    }
    if (facts.owner != facts.self && facts.owner != 0) {
        return fail_insecure(folder, fmt::format("belongs to uid {}", facts.owner));
    }
    if ((facts.mode & kOthersWrite) != 0) {
        return fail_insecure(folder, "others than its owner may write in it; chmod go-w");
    }
    return {};
}

Result<Place> Place::open(const std::filesystem::path& file, mode_t mode) {
    if (!file.is_absolute() || !file.has_filename()) {
        return fail(Errc::bad_value, file.string() + ": an absolute path of a file is expected");
    }
    if ((mode & ~kAllowedMode) != 0) {
        return fail(Errc::bad_value,
                    fmt::format("mode {:04o}: nothing for others, and no execution", mode));
    }
    ATTESTD_TRY(Fd folder, open_file(file.parent_path(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    Place out(std::move(folder), file, mode);
    ATTESTD_CHECK(out.judge());
    return out;
}

// Again before each writing: swap can be turned on at any time.
Result<void> Place::judge() const {
    const std::string folder = path_.parent_path().string();
    struct statfs fs {};
    struct stat st {};
    if (::fstatfs(folder_.get(), &fs) != 0 || ::fstat(folder_.get(), &st) != 0)
        return fail_errno(errno, folder);
    PlaceFacts facts;
    facts.fs_magic = static_cast<std::uint64_t>(fs.f_type);
    facts.owner = st.st_uid;
    facts.mode = st.st_mode;
    facts.self = ::geteuid();
    ATTESTD_TRY(const Bytes mounts, read_file("/proc/self/mountinfo", kMaxProcFileLen));
    facts.is_noswap = is_noswap(as_text(mounts), major(st.st_dev), minor(st.st_dev));
    // Not /proc/swaps: a unit's sandbox may hide it.
    struct sysinfo system {};
    if (::sysinfo(&system) != 0) return fail_errno(errno, "sysinfo");
    facts.has_swap = system.totalswap != 0;
    return judge_place(facts, folder);
}

Result<void> Place::write(const Secret& secret) const {
    ATTESTD_CHECK(judge());
    const std::string name = path_.filename().string();
    const std::string fresh = fresh_name(name);
    // What a killed process left; nobody else writes in this folder.
    ATTESTD_CHECK(remove_one(folder_, fresh));
    constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL;
    constexpr unsigned kPrivate = 0600;
    ATTESTD_TRY(const Fd file, open_at(folder_, fresh, kNew, kPrivate));
    // Nothing to sync: memory is all there is.
    auto written =
        secret.expose([&](ByteView bytes) { return write_all(file, bytes, path_.string()); });
    if (written && ::fchmod(file.get(), mode_) != 0) written = fail_errno(errno, path_.string());
    if (written && ::renameat(folder_.get(), fresh.c_str(), folder_.get(), name.c_str()) != 0)
        written = fail_errno(errno, path_.string());
    if (!written) ::unlinkat(folder_.get(), fresh.c_str(), 0);
    return written;
}

Result<void> Place::remove() const {
    const std::string name = path_.filename().string();
    ATTESTD_CHECK(remove_one(folder_, fresh_name(name)));
    return remove_one(folder_, name);
}

}  // namespace attestd
