// attestd-hostile-fs FOLDER FILE: a file system whose content is what its maker says at each read,
// and which stops answering when it is told to (SIGUSR1); for the tests of attestd-inspect.
//
// It shows one executable, FOLDER/app, with the bytes of FILE. In the foreground, until SIGTERM.
#define FUSE_USE_VERSION 31
#include <fcntl.h>
#include <fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <string>

namespace {

int backing = -1;
volatile std::sig_atomic_t is_silent = 0;

int show(const char* path, struct stat* out, fuse_file_info*) {
    while (is_silent != 0) ::pause();
    if (std::string(path) == "/") {
        out->st_mode = S_IFDIR | 0755;
        out->st_nlink = 2;
        return 0;
    }
    if (std::string(path) != "/app" || ::fstat(backing, out) != 0) return -ENOENT;
    out->st_mode = S_IFREG | 0755;
    return 0;
}

int open_one(const char*, fuse_file_info*) { return 0; }

int read_some(const char*, char* to, std::size_t len, off_t at, fuse_file_info*) {
    return static_cast<int>(::pread(backing, to, len, at));
}

void fall_silent(int) { is_silent = 1; }

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    backing = ::open(argv[2], O_RDONLY | O_CLOEXEC);
    if (backing < 0) return 1;
    std::signal(SIGUSR1, fall_silent);
    fuse_operations operations{};
    operations.getattr = show;
    operations.open = open_one;
    operations.read = read_some;
    std::string foreground = "-f", option = "-o";
    std::string options = "allow_other,attr_timeout=0,entry_timeout=0";
    std::array<char*, 6> args{argv[0],       argv[1],        foreground.data(),
                              option.data(), options.data(), nullptr};
    return fuse_main(static_cast<int>(args.size() - 1), args.data(), &operations, nullptr);
}
