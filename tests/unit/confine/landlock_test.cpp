// What a confined process opens, and what it does not.
#include "agent/confine/landlock.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <fstream>

#include "quote/base/fd.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/confine/in_child.h"

namespace attestd::test {
namespace {

constexpr int kAbiTcp = 4, kAbiSignals = 6;

struct Tree {
    TempDir dir;
    std::filesystem::path open = dir / "open", shown = dir / "shown", shut = dir / "shut";

    Tree() {
        for (const auto& folder : {open, shown, shut}) {
            std::filesystem::create_directories(folder / "below");
            std::ofstream(folder / "file") << "content";
        }
    }
    std::vector<Place> places() const { return {{open, Access::write}, {shown, Access::read}}; }
};

// The errno of an attempt, 0 for success.
int error_of(long result) { return result < 0 ? errno : 0; }

int error_of_open(const std::filesystem::path& path, int flags) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    const int error = error_of(fd);
    const Fd closed_here(fd);
    return error;
}

int abi() {
    return in_child([] { return confine_files({}).value_or(0); }).value;
}

// The errno that `attempt` ends with in a process confined to `places`.
int confined(const std::vector<Place>& places, const std::function<int()>& attempt) {
    const Ending ending = in_child([&] { return confine_files(places) ? attempt() : 250; });
    return ending.signal != 0 ? 251 : ending.value;
}

}  // namespace

TEST_CASE("confined files: a place opens what it says and nothing beside it", "[confine]") {
    if (abi() < 3) ATTESTD_SKIP("this kernel's Landlock is older than version 3, or absent");
    const Tree tree;
    const auto open = [&](const std::filesystem::path& path, int flags) {
        return confined(tree.places(), [&] { return error_of_open(path, flags); });
    };
    CHECK(open(tree.open / "file", O_RDWR | O_TRUNC) == 0);
    CHECK(open(tree.open / "below" / "new", O_WRONLY | O_CREAT | O_EXCL) == 0);
    CHECK(open(tree.open / "below", O_RDONLY | O_DIRECTORY) == 0);
    CHECK(open(tree.shown / "file", O_RDONLY) == 0);
    CHECK(open(tree.shown / "below", O_RDONLY | O_DIRECTORY) == 0);
    CHECK(open(tree.shown / "file", O_WRONLY) == EACCES);
    CHECK(open(tree.shown / "file", O_RDONLY | O_TRUNC) == EACCES);
    CHECK(open(tree.shown / "new", O_WRONLY | O_CREAT) == EACCES);
    CHECK(open(tree.shut / "file", O_RDONLY) == EACCES);
    CHECK(open(tree.shut, O_RDONLY | O_DIRECTORY) == EACCES);
    CHECK(open(tree.open / ".." / "shut" / "file", O_RDONLY) == EACCES);
    CHECK(open("/etc/passwd", O_RDONLY) == EACCES);
    std::filesystem::create_symlink(tree.shut / "file", tree.open / "link");
    CHECK(open(tree.open / "link", O_RDONLY) == EACCES);
}

TEST_CASE("confined files: names are made, changed and removed in writable places alone",
          "[confine]") {
    if (abi() < 3) ATTESTD_SKIP("this kernel's Landlock is older than version 3, or absent");
    const Tree tree;
    const auto attempt = [&](const std::function<long()>& call) {
        return confined(tree.places(), [&] { return error_of(call()); });
    };
    const auto in = [](const std::filesystem::path& folder, const char* name) {
        return (folder / name).string();
    };
    CHECK(attempt([&] { return ::mkdir(in(tree.open, "m").c_str(), 0700); }) == 0);
    CHECK(attempt([&] { return ::rmdir(in(tree.open, "m").c_str()); }) == 0);
    CHECK(attempt([&] {
              return ::rename(in(tree.open, "file").c_str(), in(tree.open, "below/f").c_str());
          }) == 0);
    CHECK(attempt([&] { return ::unlink(in(tree.open, "below/f").c_str()); }) == 0);
    CHECK(attempt([&] { return ::mkdir(in(tree.shown, "m").c_str(), 0700); }) == EACCES);
    CHECK(attempt([&] { return ::unlink(in(tree.shown, "file").c_str()); }) == EACCES);
    CHECK(attempt([&] { return ::mkfifo(in(tree.open, "p").c_str(), 0600); }) == EACCES);
    CHECK(attempt([&] { return ::symlink("/etc", in(tree.open, "s").c_str()); }) == EACCES);
    CHECK(attempt([&] {
              return ::rename(in(tree.shown, "file").c_str(), in(tree.open, "f").c_str());
          }) != 0);
    CHECK(std::filesystem::exists(tree.shown / "file"));
}

TEST_CASE("confined files: a place may be a file, or be made later", "[confine]") {
    if (abi() < 3) ATTESTD_SKIP("this kernel's Landlock is older than version 3, or absent");
    const Tree tree;
    const std::vector<Place> places{{"/dev/null", Access::device},
                                    {tree.open / "later" / "still", Access::write}};
    CHECK(confined(places, [] { return error_of_open("/dev/null", O_RDWR); }) == 0);
    CHECK(confined(places, [] { return error_of_open("/dev/zero", O_RDONLY); }) == EACCES);
    CHECK(confined(places, [&] {
              const auto later = tree.open / "later";
              if (const int made = error_of(::mkdir(later.c_str(), 0700)); made != 0) return made;
              return error_of_open(later / "still", O_WRONLY | O_CREAT);
          }) == 0);
    CHECK(confined(places, [&] { return error_of_open(tree.shown / "file", O_RDONLY); }) == EACCES);
    // A device that the machine has not does not open all others.
    CHECK(confined({{"/dev/no-such-device", Access::device}},
                   [] { return error_of_open("/dev/null", O_RDONLY); }) == EACCES);
    // The root itself never stands in for what is missing.
    CHECK(confined({{"/no-such-folder/file", Access::write}},
                   [] { return error_of_open("/etc/passwd", O_RDONLY); }) == EACCES);
}

TEST_CASE("confined files: no program runs, no TCP socket connects, nobody else is signalled",
          "[confine]") {
    const int version = abi();
    if (version < kAbiSignals) ATTESTD_SKIP("this kernel's Landlock is older than version 6");
    const std::vector<Place> places{{"/", Access::write}};
    CHECK(confined(places, [] {
              ::execl("/bin/true", "true", nullptr);
              return errno;
          }) == EACCES);
    const auto connect_or_bind = [](bool is_bind) {
        const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(9);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const auto* const address = static_cast<const sockaddr*>(static_cast<const void*>(&to));
        return error_of(is_bind ? ::bind(fd.get(), address, sizeof to)
                                : ::connect(fd.get(), address, sizeof to));
    };
    static_assert(kAbiTcp < kAbiSignals);
    CHECK(confined(places, [&] { return connect_or_bind(false); }) == EACCES);
    CHECK(confined(places, [&] { return connect_or_bind(true); }) == EACCES);
    CHECK(confined(places, [] { return error_of(::kill(::getppid(), 0)); }) == EPERM);
}

}  // namespace attestd::test
