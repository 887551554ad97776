// Files: descriptors closed once, reads that are bounded, and writes that survive a crash at any
// instant.
#include "quote/base/fd.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

using namespace attestd;
using attestd::test::load_file;
using attestd::test::TempDir;

namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

Fd open_dir(const std::filesystem::path& path) {
    return open_file(path, O_RDONLY | O_DIRECTORY).value();
}

int num_files(const std::filesystem::path& dir) {
    int n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir)) ++n;
    return n;
}

// Runs `body` in a child process and returns its exit status; 200 + signal when it was killed.
template <class F>
int in_child(F&& body) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("Fd: it closes once, and a moved-from Fd closes nothing", "[base][fd]") {
    int raw = -1;
    {
        Fd first = open_file("/dev/null", O_RDONLY).value();
        raw = first.get();
        REQUIRE(is_open(raw));
        Fd second(std::move(first));
        CHECK_FALSE(first);
        CHECK(second.get() == raw);
        Fd third;
        third = std::move(second);
        CHECK(third.get() == raw);
        Fd& same = third;
        third = std::move(same);  // must not close what it keeps
        CHECK(is_open(raw));
    }
    CHECK_FALSE(is_open(raw));
}

TEST_CASE("Fd: release gives the descriptor away, reset closes the old one", "[base][fd]") {
    Fd fd = open_file("/dev/null", O_RDONLY).value();
    const int raw = fd.release();
    CHECK_FALSE(fd);
    REQUIRE(is_open(raw));
    fd.reset(raw);
    Fd other = open_file("/dev/null", O_RDONLY).value();
    const int other_raw = other.get();
    fd.reset(other.release());
    CHECK_FALSE(is_open(raw));
    CHECK(is_open(other_raw));
}

TEST_CASE("open_file: what it opens does not reach programs that are started", "[base][fd]") {
    const TempDir dir;
    const Fd file = open_file(dir.write("f", "x"), O_RDONLY).value();
    const Fd folder = open_dir(dir.path());
    const Fd below = open_at(folder, "f", O_RDONLY).value();
    for (const Fd* fd : {&file, &folder, &below}) {
        CHECK((::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0);
    }
}

TEST_CASE("open_file: each kind of failure has its code and names the path", "[base][fd]") {
    const TempDir dir;
    const auto missing = open_file(dir / "none", O_RDONLY);
    REQUIRE_ERRC(Errc::not_found, missing);
    CHECK(missing.error().detail == (dir / "none").string() + ": No such file or directory");
    dir.write("file", "x");
    REQUIRE_ERRC(Errc::not_found, open_file(dir / "file" / "below", O_RDONLY));
    REQUIRE_ERRC(Errc::io_failed, open_file(dir.path(), O_WRONLY));
}

TEST_CASE("fail_errno: errno values map to the codes that callers act on", "[base][fd]") {
    const std::pair<int, Errc> rows[] = {
        {ENOENT, Errc::not_found},         {ENOTDIR, Errc::not_found},
        {EACCES, Errc::access_denied},     {EPERM, Errc::access_denied},
        {ELOOP, Errc::access_denied},      {ENOSPC, Errc::no_space},
        {EDQUOT, Errc::no_space},          {ETIMEDOUT, Errc::timed_out},
        {ECONNREFUSED, Errc::unavailable}, {ECONNRESET, Errc::unavailable},
        {EPIPE, Errc::unavailable},        {EIO, Errc::io_failed},
        {EBUSY, Errc::io_failed},          {0, Errc::io_failed},
    };
    for (const auto& [number, code] : rows) {
        INFO(number);
        CHECK(fail_errno(number, "x").value().code == code);
    }
}

TEST_CASE("open_at: a symbolic link at the last component is not followed", "[base][fd]") {
    const TempDir dir;
    dir.write("target", "x");
    std::filesystem::create_symlink("target", dir / "link");
    const Fd folder = open_dir(dir.path());
    REQUIRE_OK(open_at(folder, "target", O_RDONLY));
    REQUIRE_ERRC(Errc::access_denied, open_at(folder, "link", O_RDONLY));
}

TEST_CASE("read_file: a file of exactly the maximum passes, one byte more does not", "[base][fd]") {
    const TempDir dir;
    for (const std::size_t len : {std::size_t{0}, std::size_t{1}, std::size_t{16383},
                                  std::size_t{16384}, std::size_t{16385}, std::size_t{100000}}) {
        INFO(len);
        const Bytes content(len, 0xa5);
        const auto path = dir.write("f", content);
        CHECK((read_file(path, len).value() == content));
        CHECK((read_file(path, len + 1).value() == content));
        CHECK((read_file(path, SIZE_MAX).value() == content));
        if (len > 0) REQUIRE_ERRC(Errc::too_large, read_file(path, len - 1));
    }
}

TEST_CASE("read_file: endless and odd files end in an error, not in a hang", "[base][fd]") {
    const TempDir dir;
    REQUIRE_ERRC(Errc::too_large, read_file("/dev/zero", 100000));
    REQUIRE_ERRC(Errc::io_failed, read_file(dir.path(), 100));
    REQUIRE_ERRC(Errc::not_found, read_file(dir / "none", 100));
}

TEST_CASE("read_all: reads that come in parts and are interrupted give the whole", "[base][fd]") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const Fd in(ends[0]);
    Fd out(ends[1]);

    struct sigaction interrupt {
    }, before{};
    interrupt.sa_handler = [](int) {};  // no SA_RESTART: each signal ends the read in progress
    REQUIRE(::sigaction(SIGALRM, &interrupt, &before) == 0);
    const itimerval every_ms{{0, 1000}, {0, 1000}};
    ::setitimer(ITIMER_REAL, &every_ms, nullptr);
    std::thread writer([&out] {
        sigset_t all;
        sigfillset(&all);
        ::pthread_sigmask(SIG_BLOCK, &all, nullptr);  // so that the reader is the one interrupted
        for (int i = 0; i < 20; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(4));
            const auto b = static_cast<std::uint8_t>(i);
            if (::write(out.get(), &b, 1) != 1) break;
        }
        out.reset();
    });
    const auto got = read_all(in, 100, "pipe");
    writer.join();
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
    REQUIRE_OK(got);
    REQUIRE(got->size() == 20);
    CHECK(got->back() == 19);
}

TEST_CASE("write_all: a full disk is no_space", "[base][fd]") {
    const Fd full = open_file("/dev/full", O_WRONLY).value();
    REQUIRE_ERRC(Errc::no_space, write_all(full, as_bytes("x"), "/dev/full"));
    REQUIRE_OK(write_all(full, {}, "/dev/full"));
}

TEST_CASE("replace_file: content, mode and nothing left beside it", "[base][fd][invariant-8]") {
    const TempDir dir;
    const Fd folder = open_dir(dir.path());
    REQUIRE_OK(replace_file(folder, "f", as_bytes("one"), 0600));
    REQUIRE_OK(replace_file(folder, "f", as_bytes("second"), 0640));
    CHECK(as_text(read_file(dir / "f", 100).value()) == "second");
    struct stat st {};
    REQUIRE(::stat((dir / "f").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0640);
    CHECK(num_files(dir.path()) == 1);
    REQUIRE_OK(replace_file(folder, "f", {}, 0600));
    CHECK(read_file(dir / "f", 100)->empty());
}

TEST_CASE("replace_file: who has the old file open keeps the old content", "[base][fd]") {
    const TempDir dir;
    const Fd folder = open_dir(dir.path());
    REQUIRE_OK(replace_file(folder, "f", as_bytes("old"), 0600));
    const Fd reader = open_file(dir / "f", O_RDONLY).value();
    REQUIRE_OK(replace_file(folder, "f", as_bytes("new"), 0600));
    CHECK(as_text(read_all(reader, 100, "f").value()) == "old");
}

TEST_CASE("replace_file: a link under the name is replaced, not written through", "[base][fd]") {
    const TempDir dir;
    dir.write("victim", "untouched");
    std::filesystem::create_symlink("victim", dir / "f");
    std::filesystem::create_symlink("victim", dir / ".f.new");  // where a temporary file would go
    const Fd folder = open_dir(dir.path());
    REQUIRE_OK(replace_file(folder, "f", as_bytes("new"), 0600));
    CHECK(as_text(load_file(dir / "victim")) == "untouched");
    CHECK_FALSE(std::filesystem::is_symlink(dir / "f"));
    CHECK(as_text(load_file(dir / "f")) == "new");
}

TEST_CASE("replace_file: what a crash left behind does not stand in the way",
          "[base][fd][invariant-8]") {
    const TempDir dir;
    dir.write("f", "old");
    dir.write(".f.new", "half wri");
    const Fd folder = open_dir(dir.path());
    REQUIRE_OK(replace_file(folder, "f", as_bytes("new"), 0600));
    CHECK(as_text(load_file(dir / "f")) == "new");
    CHECK(num_files(dir.path()) == 1);
}

TEST_CASE("replace_file: a failed write leaves the old content and no temporary file",
          "[base][fd][invariant-8]") {
    const TempDir dir;
    dir.write("f", "old");
    const int status = in_child([&dir] {
        ::signal(SIGXFSZ, SIG_IGN);  // the write then fails with EFBIG
        const rlimit limit{4096, 4096};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 90;
        const Fd folder = open_dir(dir.path());
        const auto done = replace_file(folder, "f", Bytes(10000, 1), 0600);
        return !done && done.error().code == Errc::io_failed ? 0 : 1;
    });
    REQUIRE(status == 0);
    CHECK(as_text(load_file(dir / "f")) == "old");
    CHECK(num_files(dir.path()) == 1);
}

TEST_CASE("replace_file: on a full file system the old content stays", "[base][fd][invariant-8]") {
    constexpr int kNoMount = 77;
    const TempDir dir;
    const int status = in_child([&dir] {
        const bool own_mounts =
            ::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
        if (!own_mounts) return kNoMount;
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
        if (::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=64k,mode=0700") != 0)
            return kNoMount;
        const Fd folder = open_dir(dir.path());
        if (!replace_file(folder, "f", Bytes(20000, 1), 0600)) return 1;
        const auto refused = replace_file(folder, "f", Bytes(60000, 2), 0600);
        if (refused || refused.error().code != Errc::no_space) return 2;
        if (read_file(dir / "f", 100000).value() != Bytes(20000, 1)) return 3;
        if (num_files(dir.path()) != 1) return 4;
        return replace_file(folder, "f", Bytes(20001, 3), 0600) ? 0 : 5;  // room again
    });
    if (status == kNoMount) ATTESTD_SKIP("mounting a small tmpfs is not allowed here");
    CHECK(status == 0);
}

TEST_CASE("replace_file: a process killed at any instant leaves the old content or the new",
          "[base][fd][invariant-8]") {
    const TempDir dir;
    dir.write("f", Bytes(50000, 0));
    for (int round = 0; round < 40; ++round) {
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            const Fd folder = open_dir(dir.path());
            for (std::uint8_t i = 1;; ++i) {
                if (!replace_file(folder, "f", Bytes(50000, i), 0600)) ::_exit(1);
            }
        }
        std::this_thread::sleep_for(std::chrono::microseconds(500 + 173 * round));
        ::kill(pid, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        REQUIRE(WIFSIGNALED(status));  // it did not end by itself: no replace failed
        const Bytes found = load_file(dir / "f");
        REQUIRE(found.size() == 50000);
        REQUIRE((found == Bytes(50000, found.front())));
        CHECK(num_files(dir.path()) <= 2);
    }
}
