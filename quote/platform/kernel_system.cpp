#include "quote/platform/kernel_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <thread>

#include "quote/base/fd.h"

namespace attestd {
namespace {

constexpr int kAlways = O_CLOEXEC | O_NOFOLLOW;
constexpr unsigned kFolderMode = 0755;  // what configfs makes of any mode
constexpr mode_t kPermissions = 07777;

struct CloseDir {
    void operator()(DIR* dir) const noexcept { ::closedir(dir); }
};

SysResult<int> number(int result) {
    if (result < 0) return fail_sys(errno);
    return result;
}

SysResult<void> done(int result) {
    if (result < 0) return fail_sys(errno);
    return {};
}

SysResult<std::size_t> count(ssize_t result) {
    if (result < 0) return fail_sys(errno);
    return static_cast<std::size_t>(result);
}

}  // namespace

SysResult<int> KernelSystem::open(const std::string& path, int flags) {
    return number(::open(path.c_str(), flags | kAlways));
}

SysResult<int> KernelSystem::open_at(int dir, const std::string& name, int flags) {
    return number(::openat(dir, name.c_str(), flags | kAlways));
}

void KernelSystem::close(int fd) noexcept { Fd(fd).reset(); }

SysResult<std::size_t> KernelSystem::read(int fd, std::span<std::uint8_t> into) {
    return count(::read(fd, into.data(), into.size()));
}

SysResult<std::size_t> KernelSystem::write(int fd, ByteView bytes) {
    return count(::write(fd, bytes.data(), bytes.size()));
}

SysResult<void> KernelSystem::ioctl(int fd, std::uint32_t command, std::span<std::uint8_t> block) {
    return done(::ioctl(fd, command, block.data()));
}

SysResult<NodeInfo> KernelSystem::stat(int fd) {
    struct stat st {};
    if (::fstat(fd, &st) != 0) return fail_sys(errno);
    return NodeInfo{S_ISCHR(st.st_mode), S_ISDIR(st.st_mode), st.st_uid, st.st_mode & kPermissions,
                    S_ISREG(st.st_mode)};
}

SysResult<void> KernelSystem::try_lock(int fd) { return done(::flock(fd, LOCK_EX | LOCK_NB)); }

SysResult<void> KernelSystem::mkdir_at(int dir, const std::string& name) {
    return done(::mkdirat(dir, name.c_str(), kFolderMode));
}

SysResult<void> KernelSystem::rmdir_at(int dir, const std::string& name) {
    return done(::unlinkat(dir, name.c_str(), AT_REMOVEDIR));
}

SysResult<std::vector<std::string>> KernelSystem::list(int dir) {
    // An open file of its own: reading moves its position.
    Fd again(::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again) return fail_sys(errno);
    const std::unique_ptr<DIR, CloseDir> stream(::fdopendir(again.get()));
    if (!stream) return fail_sys(errno);
    static_cast<void>(again.release());  // the stream's now
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* const entry = ::readdir(stream.get());
        if (entry == nullptr && errno != 0) return fail_sys(errno);
        if (entry == nullptr) return names;
        const std::string name = static_cast<const char*>(entry->d_name);
        if (name != "." && name != "..") names.push_back(name);
    }
}

std::uint32_t KernelSystem::effective_uid() const noexcept { return ::geteuid(); }

System::Clock::time_point KernelSystem::now() { return Clock::now(); }

void KernelSystem::sleep_until(Clock::time_point when) { std::this_thread::sleep_until(when); }

}  // namespace attestd
