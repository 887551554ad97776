#include "agent/store/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "quote/base/ossl.h"

namespace attestd {
namespace {

constexpr std::string_view kLockFile = "lock";
constexpr unsigned kFileMode = 0600;
constexpr unsigned kFolderMode = 0700;
constexpr std::size_t kMaxFiles =
    100'000;  // far above any real store; bounds what the disk's owner costs us

using Dir = std::unique_ptr<DIR, Free<closedir>>;

// What replace_file() of quote/base leaves when the process dies in it.
bool is_half_written(std::string_view name) noexcept {
    return name.starts_with('.') && name.ends_with(".new");
}

Result<void> make_folder(const std::filesystem::path& path) {
    if (::mkdir(path.c_str(), kFolderMode) != 0) {
        if (errno == EEXIST) return {};
        return fail_errno(errno, path.string());
    }
    ATTESTD_TRY(const Fd parent, open_file(path.parent_path().empty() ? "." : path.parent_path(),
                                           O_RDONLY | O_DIRECTORY));
    if (::fsync(parent.get()) != 0) return fail_errno(errno, path.parent_path().string());
    return {};
}

// Only its owner may write to the folder, and this process is its owner: a root shell that wrote
// slots into the daemon's folder would leave files that the daemon cannot read.
Result<void> check_owner(const Fd& dir, const std::string& path) {
    struct stat st {};
    if (::fstat(dir.get(), &st) != 0) return fail_errno(errno, path);
    if (st.st_uid != ::geteuid()) {
        return fail(Errc::access_denied,
                    fmt::format("{}: belongs to uid {}, this process runs as uid {}; "
                                "run it as that user",
                                path, st.st_uid, ::geteuid()));
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail(Errc::access_denied,
                    fmt::format("{}: others may write to it; chmod 0700 mends that", path));
    }
    return {};
}

Result<Fd> take_lock(const Fd& dir, const std::string& path) {
    auto lock = open_at(dir, std::string(kLockFile), O_RDWR | O_CREAT, kFileMode);
    if (!lock) return fail_in(path, lock.error());
    if (::flock(lock->get(), LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK) return fail_errno(errno, path);
    return fail(Errc::too_busy, path +
                                    ": another process has this store open; ask it over its admin "
                                    "socket, or stop it");
}

bool is_regular_file(const Fd& fd) noexcept {
    struct stat st {};
    return ::fstat(fd.get(), &st) == 0 && S_ISREG(st.st_mode);
}

bool is_symlink(const Fd& dir, const std::string& name) noexcept {
    struct stat st {};
    return ::fstatat(dir.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

// Every name in the folder but `.`, `..` and the lock file, in order.
Result<std::vector<std::string>> names_in(const Fd& dir, const std::string& path) {
    ATTESTD_TRY(Fd own, open_at(dir, ".", O_RDONLY | O_DIRECTORY));
    const Dir stream(::fdopendir(own.get()));
    if (!stream) return fail_errno(errno, path);
    static_cast<void>(own.release());  // the stream closes it

    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* const entry = ::readdir(stream.get());
        if (entry == nullptr && errno != 0) return fail_errno(errno, path);
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (name == "." || name == ".." || name == kLockFile) continue;
        if (names.size() == kMaxFiles)
            return fail(Errc::too_large, fmt::format("{}: over {} files", path, kMaxFiles));
        names.emplace_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace

Result<std::unique_ptr<Folder>> DiskFolder::open(const std::filesystem::path& path,
                                                 MissingFolder missing) {
    if (missing == MissingFolder::make) ATTESTD_CHECK(make_folder(path));
    ATTESTD_TRY(Fd dir, open_file(path, O_RDONLY | O_DIRECTORY));
    ATTESTD_CHECK(check_owner(dir, path.string()));
    ATTESTD_TRY(Fd lock, take_lock(dir, path.string()));
    auto folder =
        std::unique_ptr<DiskFolder>(new DiskFolder(path.string(), std::move(dir), std::move(lock)));
    ATTESTD_CHECK(folder->remove_half_written());
    return std::unique_ptr<Folder>(std::move(folder));
}

Result<void> DiskFolder::remove_half_written() {
    ATTESTD_TRY(const auto names, names_in(dir_, path_));
    for (const std::string& name : names) {
        if (is_half_written(name)) ATTESTD_CHECK(remove(name));
    }
    return {};
}

Result<std::vector<std::string>> DiskFolder::list() { return names_in(dir_, path_); }

Result<Bytes> DiskFolder::read(const std::string& name, std::size_t max_len) {
    // O_NONBLOCK: a FIFO that somebody put there must not hold us up.
    auto fd = open_at(dir_, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!fd && fd.error().code == Errc::access_denied && is_symlink(dir_, name)) {
        return fail(Errc::store_corrupt, name + ": is a symbolic link");
    }
    if (!fd) return fail_in(path_, fd.error());
    if (!is_regular_file(*fd)) return fail(Errc::store_corrupt, name + ": is not a regular file");
    auto bytes = read_all(*fd, max_len, name);
    if (!bytes && bytes.error().code == Errc::too_large) {
        return fail(Errc::store_corrupt, bytes.error().detail);
    }
    if (!bytes) return fail_in(path_, bytes.error());
    return bytes;
}

Result<void> DiskFolder::replace(const std::string& name, ByteView bytes) {
    auto done = replace_file(dir_, name, bytes, kFileMode);
    if (!done) return fail_in(path_, done.error());
    return {};
}

Result<void> DiskFolder::remove(const std::string& name) {
    if (::unlinkat(dir_.get(), name.c_str(), 0) != 0) return fail_errno(errno, path_ + "/" + name);
    if (::fsync(dir_.get()) != 0) return fail_errno(errno, path_);
    return {};
}

}  // namespace attestd
