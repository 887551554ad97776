// The seam to the kernel: the real calls on a real folder, and the fake that tests stand on.
#include "quote/platform/system.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "quote/platform/kernel_system.h"
#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/platform/scripted_system.h"

namespace attestd::test {

using namespace std::chrono_literals;

TEST_CASE("system: files are read to their end, whatever stat says, up to a bound", "[platform]") {
    const TempDir dir;
    KernelSystem system;
    const std::string path = dir.write("file", std::string_view("0123456789")).string();
    CHECK(read_path(system, path, 10).value() == to_bytes(as_bytes("0123456789")));
    CHECK(read_path(system, path, 9).error() == Errno{EFBIG});
    CHECK(read_path(system, "/proc/self/stat", 65536).value().size() > 20);  // stat says 0
    CHECK(read_path(system, path + "x", 10).error() == Errno{ENOENT});
    CHECK(read_path(system, dir.path().string(), 10).error() == Errno{EISDIR});
}

TEST_CASE("system: a symbolic link is not followed, and nothing is left to children",
          "[platform]") {
    const TempDir dir;
    KernelSystem system;
    dir.write("file", std::string_view("x"));
    std::filesystem::create_symlink(dir / "file", dir / "link");
    CHECK(read_path(system, (dir / "link").string(), 10).error() == Errno{ELOOP});
    const auto file = open_file(system, (dir / "file").string(), O_RDONLY);
    REQUIRE(file.has_value());
    CHECK((::fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("system: folders are made, listed, looked at and removed", "[platform]") {
    const TempDir dir;
    KernelSystem system;
    const auto folder = open_file(system, dir.path().string(), O_RDONLY | O_DIRECTORY);
    REQUIRE(folder.has_value());
    REQUIRE(system.mkdir_at(folder->get(), "a").has_value());
    CHECK(system.mkdir_at(folder->get(), "a").error() == Errno{EEXIST});
    dir.write("b", std::string_view("x"));
    for (int i = 0; i < 2; ++i) {  // listing moves no position that the next one begins at
        auto names = system.list(folder->get()).value();
        std::sort(names.begin(), names.end());
        CHECK(names == std::vector<std::string>{"a", "b"});
    }
    const auto info = system.stat(folder->get()).value();
    CHECK(info.is_directory);
    CHECK_FALSE(info.is_character_device);
    CHECK(info.uid == ::geteuid());
    REQUIRE(system.rmdir_at(folder->get(), "a").has_value());
    CHECK(system.rmdir_at(folder->get(), "a").error() == Errno{ENOENT});
    CHECK(system.rmdir_at(folder->get(), "b").error() == Errno{ENOTDIR});
}

TEST_CASE("system: a character device is one, and refuses a command that it does not know",
          "[platform]") {
    KernelSystem system;
    const auto null = open_file(system, "/dev/null", O_RDWR);
    REQUIRE(null.has_value());
    CHECK(system.stat(null->get()).value().is_character_device);
    ByteArray<32> block{};
    CHECK(system.ioctl(null->get(), 0xc0205302, block).error() == Errno{ENOTTY});
    CHECK(system.write(null->get(), block).value() == 32);
}

TEST_CASE("system: an open file is closed once, and moving it moves the duty", "[platform]") {
    ScriptedSystem system;
    system.on_open("/a");
    system.on_open("/b");
    {
        auto a = open_file(system, "/a", O_RDONLY).value();
        auto b = open_file(system, "/b", O_RDONLY).value();
        a = std::move(b);
        const SystemFile c = std::move(a);
    }
    CHECK(system.verify().empty());
}

TEST_CASE("system: errno is told by name and in words", "[platform]") {
    CHECK(errno_words(EBUSY) == "EBUSY (Device or resource busy)");
    CHECK_THAT(errno_words(4095), ContainsSubstring("errno 4095"));
}

TEST_CASE("scripted system: what departs from the script is a complaint", "[platform]") {
    ScriptedSystem other, early, open, late;
    other.on_open("/a");
    CHECK(other.open("/b", O_RDONLY).error() == Errno{EPROTO});
    CHECK(other.verify() == "open /b in place of open /a");
    CHECK(early.open("/a", O_RDONLY).error() == Errno{EPROTO});
    CHECK(early.verify() == "open /a in place of the end");
    open.on_open("/a");
    static_cast<void>(open.open("/a", O_RDONLY));
    CHECK(open.verify() == "left open: /a");
    late.on_open("/a");
    CHECK(late.verify() == "never reached: open /a");
}

TEST_CASE("scripted system: time passes by steps and sleeps alone", "[platform]") {
    ScriptedSystem system;
    const auto begin = system.now();
    system.sleep_until(begin + 3s);
    system.sleep_until(begin);
    CHECK(system.now() == begin + 3s);
    CHECK(system.slept() == 3s);
    system.on_bad_read("/a", EBUSY, 500ms);
    CHECK(read_path(system, "/a", 1).error() == Errno{EBUSY});
    CHECK(system.now() == begin + 3500ms);
    CHECK(system.slept() == 3s);
}

TEST_CASE("system: one open file at a time has the lock, until it is closed", "[platform]") {
    const TempDir dir;
    dir.write("device", std::string_view("x"));
    KernelSystem system;
    const std::string path = (dir / "device").string();
    auto first = open_file(system, path, O_RDWR);
    const auto second = open_file(system, path, O_RDWR);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(system.try_lock(first->get()));
    const auto busy = system.try_lock(second->get());
    REQUIRE_FALSE(busy);
    CHECK(busy.error() == Errno{EWOULDBLOCK});
    first->reset();
    CHECK(system.try_lock(second->get()));
}

}  // namespace attestd::test
