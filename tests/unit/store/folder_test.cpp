// The store's folder against a real kernel: locks, owners, links, full and read-only disks.
#include "agent/store/folder.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>

#include "tests/unit/store/store_fixture.h"

namespace attestd::test {
namespace {

namespace fs = std::filesystem;

Result<std::unique_ptr<Folder>> open_at_path(const fs::path& path) {
    return DiskFolder::open(path, MissingFolder::refuse);
}

fs::path make_private(const TempDir& dir) {
    const fs::path path = dir / "store";
    fs::create_directory(path);
    fs::permissions(path, fs::perms::owner_all);
    return path;
}

// Runs `body` in a child and returns its exit status; -1 when it did not exit by itself.
int in_child(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void write_number(const char* path, const std::string& text) { std::ofstream(path) << text; }

// A private mount namespace in which this process may mount; false where the kernel forbids that.
bool may_mount() {
    const uid_t uid = ::getuid();
    if (uid == 0) return ::unshare(CLONE_NEWNS) == 0;
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    write_number("/proc/self/setgroups", "deny");
    write_number("/proc/self/uid_map", fmt::format("{} {} 1", uid, uid));
    return true;
}

constexpr int kCannotMount = 77;

// Mounts a tmpfs of `size` at `path`, for this process alone.
bool mount_tmpfs(const fs::path& path, const char* size) {
    return may_mount() && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
                   fmt::format("size={},mode=0700", size).c_str()) == 0;
}

constexpr int code_of(Errc code) noexcept { return static_cast<int>(code); }

}  // namespace

TEST_CASE("folder: what was replaced is read back, and removed when it is removed", "[store]") {
    TempDir dir;
    auto folder = folder_at(make_private(dir));
    REQUIRE_OK(folder->replace("a", as_bytes("one")));
    REQUIRE_OK(folder->replace("a", as_bytes("two")));
    CHECK(as_text(folder->read("a", 3).value()) == "two");
    CHECK(folder->list().value() == std::vector<std::string>{"a"});
    REQUIRE_OK(folder->remove("a"));
    REQUIRE_ERRC(Errc::not_found, folder->read("a", 3));
    REQUIRE_ERRC(Errc::not_found, folder->remove("a"));
}

TEST_CASE("folder: one that is missing is refused, or made with mode 0700", "[store]") {
    TempDir dir;
    REQUIRE_ERRC(Errc::not_found, open_at_path(dir / "store"));
    REQUIRE_OK(DiskFolder::open(dir / "store", MissingFolder::make));
    struct stat st {};
    REQUIRE(::stat((dir / "store").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0700);
    REQUIRE_ERRC(Errc::not_found, DiskFolder::open(dir / "no/parent", MissingFolder::make));
}

TEST_CASE("folder: a file in its place is refused", "[store]") {
    TempDir dir;
    REQUIRE_ERRC(Errc::not_found, open_at_path(dir.write("store", std::string_view("x"))));
}

TEST_CASE("folder: a second opener is told that it is busy, until the first closes", "[store]") {
    TempDir dir;
    const fs::path path = make_private(dir);
    {
        const auto first = open_at_path(path);
        REQUIRE_OK(first);
        REQUIRE_ERRC(Errc::too_busy, open_at_path(path));
    }
    REQUIRE_OK(open_at_path(path));
}

TEST_CASE("folder: others who may write, or another owner, make it refused as io.access-denied",
          "[store]") {
    TempDir dir;
    const fs::path path = make_private(dir);
    for (const auto who : {fs::perms::group_write, fs::perms::others_write}) {
        fs::permissions(path, who, fs::perm_options::add);
        REQUIRE_ERRC(Errc::access_denied, open_at_path(path));
        fs::permissions(path, who, fs::perm_options::remove);
        REQUIRE_OK(open_at_path(path));
    }
    if (::geteuid() != 0) ATTESTD_SKIP("only root gives a folder away");
    REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
    REQUIRE_ERRC(Errc::access_denied, open_at_path(path));
}

TEST_CASE("folder: half-written files of a crash are gone after opening, others stay", "[store]") {
    TempDir dir;
    const fs::path path = make_private(dir);
    dir.write("store/.record-1.new", std::string_view("half"));
    dir.write("store/.slot-0.new", std::string_view(""));
    dir.write("store/record-1", std::string_view("whole"));
    dir.write("store/notes", std::string_view("foreign"));
    auto folder = folder_at(path);
    CHECK(folder->list().value() == std::vector<std::string>{"notes", "record-1"});
}

TEST_CASE(
    "folder: what is not a regular file of the right size is store.corrupt, and never waited for",
    "[store]") {
    TempDir dir;
    const fs::path path = make_private(dir);
    auto folder = folder_at(path);
    struct Row {
        const char* name;
        void (*make)(const fs::path& file);
    };
    const auto row = GENERATE(values<Row>({
        {"FIFO", [](const fs::path& file) { REQUIRE(::mkfifo(file.c_str(), 0600) == 0); }},
        {"folder", [](const fs::path& file) { fs::create_directory(file); }},
        {"symbolic link", [](const fs::path& file) { fs::create_symlink("/etc/passwd", file); }},
        {"broken symbolic link", [](const fs::path& file) { fs::create_symlink("nowhere", file); }},
        {"too long", [](const fs::path& file) { std::ofstream(file) << "12345678901"; }},
    }));
    INFO(row.name);
    row.make(path / "a");
    REQUIRE_ERRC(Errc::store_corrupt, folder->read("a", 10));
}

TEST_CASE("folder: a symbolic link under a file's name is replaced, not followed", "[store]") {
    TempDir dir;
    const fs::path victim = dir.write("victim", std::string_view("precious"));
    const fs::path path = make_private(dir);
    auto folder = folder_at(path);
    fs::create_symlink(victim, path / "a");
    fs::create_symlink(victim, path / ".a.new");
    REQUIRE_OK(folder->replace("a", as_bytes("new")));
    CHECK(as_text(folder->read("a", 10).value()) == "new");
    CHECK(fs::file_size(victim) == 8);
}

TEST_CASE("folder: a full disk is io.no-space, and the old content stays", "[store]") {
    TempDir dir;
    const fs::path path = make_private(dir);
    const int status = in_child([&] {
        if (!mount_tmpfs(path, "64k")) return kCannotMount;
        auto folder = open_at_path(path);
        if (!folder || !(*folder)->replace("a", Bytes(1000, 1))) return 1;
        const auto full = (*folder)->replace("a", Bytes(1 << 20, 2));
        if (full || full.error().code != Errc::no_space) return 2;
        const auto kept = (*folder)->read("a", 1 << 20);
        if (!kept || *kept != Bytes(1000, 1)) return 3;
        // Nothing half-written eats the space that is left.
        return (*folder)->replace("b", Bytes(20'000, 3)) ? 0 : 4;
    });
    if (status == kCannotMount) ATTESTD_SKIP("no mounts in a namespace here");
    CHECK(status == 0);
}

TEST_CASE("folder: a read-only disk is io.failed when it is opened", "[store]") {
    TempDir dir;
    const fs::path path = make_private(dir);
    const int status = in_child([&] {
        if (!mount_tmpfs(path, "64k")) return kCannotMount;
        if (!open_at_path(path)) return 1;  // makes the lock file
        if (::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV,
                    nullptr) != 0)
            return 2;
        const auto folder = open_at_path(path);
        return folder ? 3 : code_of(folder.error().code);
    });
    if (status == kCannotMount) ATTESTD_SKIP("no mounts in a namespace here");
    CHECK(status == code_of(Errc::io_failed));
}

TEST_CASE("folder: a file size limit is io.failed, and the old content stays", "[store]") {
    TempDir dir;
    const fs::path path = make_private(dir);
    const int status = in_child([&] {
        auto folder = open_at_path(path);
        if (!folder || !(*folder)->replace("a", Bytes(1000, 1))) return 1;
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{4096, 4096};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
        const auto cut = (*folder)->replace("a", Bytes(10'000, 2));
        if (cut || cut.error().code != Errc::io_failed) return 3;
        const auto kept = (*folder)->read("a", 10'000);
        return kept && *kept == Bytes(1000, 1) ? 0 : 4;
    });
    CHECK(status == 0);
}

}  // namespace attestd::test
