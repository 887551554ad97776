#include "tests/emulator/fuse/fuse_mount.h"

#define FUSE_USE_VERSION 35
#include <fuse3/fuse.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <thread>

#include "quote/base/fd.h"

namespace attestd::devsim {

struct FuseMount::Session {
    DeviceTree& tree;
    struct fuse* handle = nullptr;
    std::thread thread;
};

namespace {

DeviceTree& tree() { return *static_cast<DeviceTree*>(::fuse_get_context()->private_data); }

bool is_interrupted() { return ::fuse_interrupted() != 0; }

void* on_init(fuse_conn_info*, fuse_config* config) {
    // Nothing is remembered by the kernel: it asks for everything, every time.
    config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
    config->direct_io = 1;
    config->hard_remove = 1;
    return ::fuse_get_context()->private_data;
}

int on_getattr(const char* path, struct stat* out, fuse_file_info*) {
    return tree().getattr(path, *out);
}

int on_readdir(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
               fuse_readdir_flags) {
    std::vector<std::string> names{".", ".."};
    const int error = tree().readdir(path, names);
    for (const std::string& name : names)
        fill(buffer, name.c_str(), nullptr, 0, fuse_fill_dir_flags{});
    return error;
}

int on_mkdir(const char* path, mode_t) { return tree().mkdir(path); }
int on_rmdir(const char* path) { return tree().rmdir(path); }
int on_unlink(const char*) { return -EPERM; }
int on_create(const char*, mode_t, fuse_file_info*) { return -EACCES; }
int on_truncate(const char*, off_t, fuse_file_info*) { return 0; }
int on_chmod(const char* path, mode_t mode, fuse_file_info*) { return tree().chmod(path, mode); }
int on_chown(const char* path, uid_t uid, gid_t gid, fuse_file_info*) {
    return tree().chown(path, {uid, gid});
}

int on_open(const char* path, fuse_file_info* info) {
    const std::int64_t handle = tree().open(path, info->flags);
    if (handle < 0) return static_cast<int>(handle);
    info->fh = static_cast<std::uint64_t>(handle);
    info->direct_io = 1;
    return 0;
}

int on_read(const char*, char* into, std::size_t len, off_t offset, fuse_file_info* info) {
    return tree().read(info->fh, {into, len}, static_cast<std::uint64_t>(offset), is_interrupted);
}

int on_write(const char*, const char* from, std::size_t len, off_t offset, fuse_file_info* info) {
    return tree().write(info->fh, as_bytes({from, len}), static_cast<std::uint64_t>(offset));
}

int on_flush(const char*, fuse_file_info* info) {
    tree().flush(info->fh);
    return 0;
}

int on_release(const char*, fuse_file_info* info) {
    tree().release(info->fh);
    return 0;
}

int on_ioctl(const char*, unsigned command, void* argument, fuse_file_info* info, unsigned flags,
             void* data) {
    if ((flags & FUSE_IOCTL_COMPAT) != 0) return -ENOSYS;
    const std::size_t len = _IOC_SIZE(command);
    if (data == nullptr || len == 0) return -ENOTTY;
    const IoctlCaller caller{::fuse_get_context()->pid, std::bit_cast<std::uintptr_t>(argument)};
    return tree().ioctl(info->fh, command, {static_cast<std::uint8_t*>(data), len}, caller,
                        is_interrupted);
}

fuse_operations operations() {
    fuse_operations out{};
    out.init = on_init;
    out.getattr = on_getattr;
    out.readdir = on_readdir;
    out.mkdir = on_mkdir;
    out.rmdir = on_rmdir;
    out.unlink = on_unlink;
    out.create = on_create;
    out.truncate = on_truncate;
    out.chmod = on_chmod;
    out.chown = on_chown;
    out.open = on_open;
    out.read = on_read;
    out.write = on_write;
    out.flush = on_flush;
    out.release = on_release;
    out.ioctl = on_ioctl;
    return out;
}

}  // namespace

FuseMount::FuseMount(std::unique_ptr<Session> session) : session_(std::move(session)) {}

Result<std::unique_ptr<FuseMount>> FuseMount::mount(DeviceTree& tree, const std::string& path) {
    constexpr unsigned kFolderMode = 0755;
    if (::mkdir(path.c_str(), kFolderMode) != 0 && errno != EEXIST) return fail_errno(errno, path);
    auto session = std::make_unique<Session>(Session{tree, nullptr, {}});
    std::string program = "attestd-devsim", flag = "-o";
    // Other users see the mount only where root made it: that is what allow_other takes.
    std::string options = "default_permissions,fsname=attestd-devsim";
    if (::geteuid() == 0) options += ",allow_other";
    std::array<char*, 3> words{program.data(), flag.data(), options.data()};
    fuse_args args{static_cast<int>(words.size()), words.data(), 0};
    static const fuse_operations kOperations = operations();
    session->handle = ::fuse_new(&args, &kOperations, sizeof(kOperations), &tree);
    ::fuse_opt_free_args(&args);
    if (session->handle == nullptr) return fail(Errc::unavailable, "FUSE does not start");
    if (::fuse_mount(session->handle, path.c_str()) != 0) {
        ::fuse_destroy(session->handle);
        return fail(Errc::unavailable, path + ": cannot be mounted: no /dev/fuse, or not allowed");
    }
    session->thread = std::thread([handle = session->handle] {
        fuse_loop_config config{};
        config.max_idle_threads = 10;
        static_cast<void>(::fuse_loop_mt(handle, &config));
    });
    return std::unique_ptr<FuseMount>(new FuseMount(std::move(session)));
}

FuseMount::~FuseMount() {
    session_->tree.stop();
    ::fuse_exit(session_->handle);
    ::fuse_unmount(session_->handle);  // and so the threads' reads end
    session_->thread.join();
    ::fuse_destroy(session_->handle);
}

}  // namespace attestd::devsim
