// look_at(): facts about a process that does its best to be taken for another.
#include "agent/inspect/subject.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include <thread>

#include "tests/support/temp_dir.h"
#include "tests/unit/inspect/child.h"

using namespace attestd;
using namespace attestd::inspect;
using attestd::test::Child;
using attestd::test::copy_of;
using attestd::test::kSleep;
using attestd::test::TempDir;

namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
const Wanted kEverything{true, true, true, false};
const Wanted kAlsoUnlinked{true, false, true, true};

Bounds ample(std::uint64_t max_len = 256 * kMib) {
    return {max_len, std::chrono::steady_clock::now() + std::chrono::minutes(1)};
}

Answer look(const Fd& pidfd, Wanted wanted, const Bounds& within = ample()) {
    return look_at(pidfd, Request{wanted, ::getuid()}, within, DigestCache());
}

Sha256 digest_at(const std::filesystem::path& path) {
    return sha256(ByteView(*read_file(path, 64 * kMib)));
}

std::uint64_t own_namespace(const char* name) {
    struct stat st {};
    REQUIRE(::stat((std::string("/proc/self/ns/") + name).c_str(), &st) == 0);
    return st.st_ino;
}

}  // namespace

TEST_CASE("inspect: a process' file, digest, path and namespaces are found", "[inspect][subject]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    const Answer answer = look(child.pidfd(), kEverything);
    REQUIRE(answer.outcome == Outcome::done);
    const Facts& facts = answer.facts;
    struct stat st {};
    REQUIRE(::stat((dir / "app").c_str(), &st) == 0);
    CHECK(facts.exe.device == st.st_dev);
    CHECK(facts.exe.inode == st.st_ino);
    CHECK(facts.exe.num_links == 1);
    CHECK(facts.exe.len == static_cast<std::uint64_t>(st.st_size));
    CHECK(facts.digest_state == DigestState::done);
    CHECK(facts.sha256 == digest_at(dir / "app"));
    CHECK(facts.path == std::filesystem::canonical(dir / "app"));
    CHECK(facts.start_time != 0);
    CHECK(facts.namespaces.pid == own_namespace("pid"));
    CHECK(facts.namespaces.user == own_namespace("user"));
    CHECK(facts.namespaces.mnt == own_namespace("mnt"));
    CHECK(facts.namespaces.cgroup == own_namespace("cgroup"));
    CHECK(facts.namespaces.net == own_namespace("net"));
}

TEST_CASE("inspect: nothing is read that was not asked for", "[inspect][subject]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    const Answer answer = look(child.pidfd(), Wanted());
    REQUIRE(answer.outcome == Outcome::done);
    CHECK(answer.facts.digest_state == DigestState::not_asked);
    CHECK_FALSE(answer.facts.sha256.has_value());
    CHECK(answer.facts.path.empty());
}

TEST_CASE("attack: a binary replaced on disk while it runs gives the running file's digest",
          "[inspect][subject][attack]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    const Sha256 running = digest_at(dir / "app");
    copy_of("/bin/cat", dir / "trusted");
    const Sha256 trusted = digest_at(dir / "trusted");
    std::filesystem::rename(dir / "trusted", dir / "app");
    CHECK(digest_at(dir / "app") == trusted);  // whoever looks at the path is fooled

    const Answer by_name = look(child.pidfd(), kEverything);
    REQUIRE(by_name.outcome == Outcome::done);
    CHECK(by_name.facts.digest_state == DigestState::unlinked);
    CHECK_FALSE(by_name.facts.sha256.has_value());
    CHECK(by_name.facts.path.empty());
    const Answer unlinked = look(child.pidfd(), kAlsoUnlinked);
    REQUIRE(unlinked.outcome == Outcome::done);
    CHECK(unlinked.facts.sha256 == running);
    CHECK(unlinked.facts.sha256 != trusted);
}

TEST_CASE("attack: a program in a memfd has no name, and no digest unless that was asked for",
          "[inspect][subject][attack]") {
    Fd memfd(::memfd_create("trusted", MFD_CLOEXEC));
    REQUIRE(memfd);
    const Bytes program = *read_file("/bin/sleep", 64 * kMib);
    REQUIRE_OK(write_all(memfd, program, "memfd"));
    // Running a file that is open for writing fails: the program runs from a second descriptor.
    const Fd readable(
        ::open(("/proc/self/fd/" + std::to_string(memfd.get())).c_str(), O_RDONLY | O_CLOEXEC));
    memfd.reset();
    const Child child(readable, kSleep);
    const Answer answer = look(child.pidfd(), kEverything);
    REQUIRE(answer.outcome == Outcome::done);
    CHECK(answer.facts.exe.num_links == 0);
    CHECK(answer.facts.digest_state == DigestState::unlinked);
    CHECK(answer.facts.path.empty());
    const Answer unlinked = look(child.pidfd(), kAlsoUnlinked);
    CHECK(unlinked.facts.sha256 == sha256(ByteView(program)));
}

TEST_CASE("attack: an executable of 1 GiB is refused by its size, without being read",
          "[inspect][subject][attack]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app", 1024 * kMib), kSleep);
    Bounds no_time = ample();
    no_time.deadline = std::chrono::steady_clock::time_point::min();  // any read would time out
    const Answer answer = look(child.pidfd(), kEverything, no_time);
    REQUIRE(answer.outcome == Outcome::done);
    CHECK(answer.facts.digest_state == DigestState::too_large);
    CHECK(answer.facts.exe.len > 1024 * kMib);
}

TEST_CASE("inspect: a digest that takes too long is given up", "[inspect][subject]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    Bounds no_time = ample();
    no_time.deadline = std::chrono::steady_clock::time_point::min();
    const Answer answer = look(child.pidfd(), kEverything, no_time);
    REQUIRE(answer.outcome == Outcome::done);
    CHECK(answer.facts.digest_state == DigestState::timed_out);
    CHECK_FALSE(answer.facts.sha256.has_value());
}

TEST_CASE("inspect: a cached digest is given without reading", "[inspect][subject]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    const Answer first = look(child.pidfd(), Wanted());
    DigestCache cache;
    cache.keep(::getuid(), first.facts.exe, Sha256{5}, UINT64_MAX);
    const Answer answer = look_at(child.pidfd(), Request{kEverything, ::getuid()}, ample(), cache);
    CHECK(answer.facts.sha256 == Sha256{5});
}

TEST_CASE("attack: a process that exited, reaped or not, has no facts",
          "[inspect][subject][attack]") {
    const TempDir dir;
    Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    child.kill();
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT) == 0);
    CHECK(look(child.pidfd(), kEverything).outcome == Outcome::exited);  // not reaped
    child.end();
    CHECK(look(child.pidfd(), kEverything).outcome == Outcome::exited);
    REQUIRE_ERRC(Errc::peer_exited, pid_of(child.pidfd()));
}

TEST_CASE("inspect: a descriptor that is no pidfd is refused", "[inspect][subject]") {
    const Fd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    CHECK(look(file, kEverything).outcome == Outcome::failed);
    REQUIRE_ERRC(Errc::bad_value, pid_of(file));
}

TEST_CASE("attack: a process that executes while it is inspected never gets a mixture of facts",
          "[inspect][subject][attack]") {
    const TempDir dir;
    const auto before = copy_of("/bin/dash", dir / "before", 8 * kMib);
    copy_of("/bin/sleep", dir / "after", 8 * kMib);
    const Sha256 digest_before = digest_at(dir / "before"), digest_after = digest_at(dir / "after");
    for (int i = 0; i < 12; ++i) {
        const Child child(before,
                          {"sh", "-c", "read x; exec " + (dir / "after").string() + " 600"});
        std::thread trigger([&, i] {
            std::this_thread::sleep_for(std::chrono::milliseconds(2 * i));
            child.tell("\n");
        });
        const Answer answer = look(child.pidfd(), kEverything);
        trigger.join();
        if (answer.outcome == Outcome::changed) continue;
        REQUIRE(answer.outcome == Outcome::done);
        const Facts& facts = answer.facts;
        const bool is_before = facts.path.ends_with("/before");
        CHECK(facts.sha256 == (is_before ? digest_before : digest_after));
        struct stat st {};
        REQUIRE(::stat((dir / (is_before ? "before" : "after")).c_str(), &st) == 0);
        CHECK(facts.exe.inode == st.st_ino);
    }
}

TEST_CASE("digest: exactly the stated bytes are taken", "[inspect][subject]") {
    const TempDir dir;
    const std::string text(300'000, 'x');
    dir.write("file", std::string_view(text));
    const Fd file(::open((dir / "file").c_str(), O_RDONLY | O_CLOEXEC));
    const auto soon = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    const auto digest = digest_file(file, text.size(), soon);
    REQUIRE_OK(digest);
    CHECK(*digest == sha256(as_bytes(text)));
    REQUIRE_ERRC(Errc::exe_refused, digest_file(file, text.size() - 1, soon));
    REQUIRE_ERRC(Errc::exe_refused, digest_file(file, text.size() + 1, soon));
    REQUIRE_ERRC(Errc::exe_refused, digest_file(file, 0, soon));
    REQUIRE_ERRC(Errc::timed_out,
                 digest_file(file, text.size(), std::chrono::steady_clock::time_point::min()));
}
