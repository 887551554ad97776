// Who the peer is: a kernel that can be told what to say, the running kernel, and the rules.
#include "agent/caller/caller.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "tests/support/catch.h"
#include "tests/support/temp_dir.h"

namespace attestd::caller_test {

using test::TempDir;

namespace {

// Answers from members; /proc/PID is a folder of the test's.
class FakeKernel final : public Kernel {
 public:
    IdentityLevel level_is = IdentityLevel::l3;
    PeerCredentials peer{1234, 1000, 1001};
    mutable int looks_until_exit = 1 << 20;
    uid_t owner = 0;
    bool overflow = false;
    std::optional<PidfdInfo> info;  // none: a kernel before 6.13
    TempDir proc;

    FakeKernel() {
        set_status(1000, 1001, 0);
        set_cgroup("0::/system.slice/app.service\n");
        set_start_time(77);
    }
    void set_status(int uid, int gid, int tracer) {
        proc.write(
            "status",
            fmt::format("Name:\tx\nTracerPid:\t{2}\nUid:\t0\t{0}\t0\t0\nGid:\t0\t{1}\t0\t0\n", uid,
                        gid, tracer));
    }
    void set_cgroup(std::string_view text) { proc.write("cgroup", text); }
    void set_start_time(int ticks) {
        proc.write(
            "stat",
            fmt::format("1 (x) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 {} 0\n", ticks));
    }

    IdentityLevel level() const override { return level_is; }
    bool has_overflow_uid() const override { return overflow; }
    Result<PeerCredentials> peer_credentials(int) const override { return peer; }
    Result<Fd> peer_pidfd(int) const override {
        if (level_is < IdentityLevel::l2) return fail(Errc::platform_unsupported, "none");
        return open_file("/dev/null", O_RDONLY);
    }
    Result<Fd> open_pidfd(pid_t) const override { return open_file("/dev/null", O_RDONLY); }
    Result<std::vector<gid_t>> peer_groups(int) const override { return std::vector<gid_t>{7, 8}; }
    Result<std::string> peer_label(int) const override { return std::string(); }
    bool has_exited(const Fd&) const override { return --looks_until_exit < 0; }
    void look_for_exits(std::span<pollfd> all) const override {
        for (pollfd& one : all) one.revents = --looks_until_exit < 0 ? POLLIN : 0;
    }
    bool has_pidfd_info() const override { return info.has_value(); }
    Result<PidfdInfo> pidfd_info(const Fd&) const override { return *info; }
    std::uint64_t pidfd_inode(const Fd&) const override { return 42; }
    Result<Fd> open_proc(pid_t) const override {
        return open_file(proc.path(), O_PATH | O_DIRECTORY);
    }
    // Files of the test are replaced, those of /proc change in place: so each read opens anew.
    Result<Fd> open_proc_file(const Fd& folder, const char* name) const override {
        return open_at(folder, name, O_RDONLY);
    }
    Result<std::string_view> read_proc(const Fd& file, std::span<char> buffer) const override {
        const ssize_t n = ::pread(file.get(), buffer.data(), buffer.size(), 0);
        if (n < 0) return fail(Errc::peer_exited, "gone");
        return std::string_view(buffer.data(), static_cast<std::size_t>(n));
    }
    Result<uid_t> cgroup_owner(const std::string&, const std::string&) const override {
        return owner;
    }
};

Result<Peer> identify(const Kernel& kernel, const IdentityConfig& rules = {}) {
    return Peer::identify(kernel, /*socket=*/-1, "default", rules);
}

}  // namespace

TEST_CASE("identify: the facts are the kernel's", "[agent][caller]") {
    const FakeKernel kernel;
    const auto peer = identify(kernel);
    REQUIRE_OK(peer);
    const Caller& caller = peer->caller();
    CHECK(caller.peer == PeerCredentials{1234, 1000, 1001});
    CHECK(caller.groups == std::vector<gid_t>{7, 8});
    CHECK(caller.cgroup.unit == "app.service");
    CHECK(caller.start_time == 77);
    CHECK(caller.pidfd_inode == 42);
    CHECK_FALSE(caller.weak_pid);
    CHECK(caller.socket == "default");
}

TEST_CASE("identify: what is not as it must be denies, with the reason", "[agent][caller]") {
    struct Row {
        const char* why;
        Errc want;
        void (*change)(FakeKernel&, IdentityConfig&);
    };
    const auto row = GENERATE(values<Row>({
        {"a pid that cannot be seen", Errc::peer_foreign_pidns,
         [](FakeKernel& k, IdentityConfig&) { k.peer.pid = 0; }},
        {"an overflow uid in a user namespace", Errc::caller_unknown,
         [](FakeKernel& k, IdentityConfig&) {
             k.overflow = true;
             k.peer.uid = 65534;
         }},
        {"gone before anything was read", Errc::peer_exited,
         [](FakeKernel& k, IdentityConfig&) { k.looks_until_exit = 0; }},
        {"gone while it was being read", Errc::peer_exited,
         [](FakeKernel& k, IdentityConfig&) { k.looks_until_exit = 1; }},
        {"dropped its uid after connecting", Errc::peer_changed,
         [](FakeKernel& k, IdentityConfig&) { k.peer.uid = 0; }},
        {"another gid", Errc::peer_changed, [](FakeKernel& k, IdentityConfig&) { k.peer.gid = 0; }},
        {"traced", Errc::peer_traced,
         [](FakeKernel& k, IdentityConfig&) { k.set_status(1000, 1001, 5); }},
        {"a cgroup that a user owns", Errc::cgroup_delegated,
         [](FakeKernel& k, IdentityConfig&) { k.owner = 1000; }},
        {"a cgroup outside the namespace", Errc::cgroup_foreign,
         [](FakeKernel& k, IdentityConfig&) { k.set_cgroup("0::/../x\n"); }},
        {"no peer pidfd where one is demanded", Errc::platform_unsupported,
         [](FakeKernel& k, IdentityConfig& rules) {
             k.level_is = IdentityLevel::l1;
             rules.require_peer_pidfd = true;
         }},
    }));
    INFO(row.why);
    FakeKernel kernel;
    IdentityConfig rules;
    row.change(kernel, rules);
    REQUIRE_ERRC(row.want, identify(kernel, rules));
}

TEST_CASE("identify: a traced caller is served only where configuration says so",
          "[agent][caller]") {
    FakeKernel kernel;
    kernel.set_status(1000, 1001, 5);
    IdentityConfig rules;
    rules.allow_traced = true;
    REQUIRE_OK(identify(kernel, rules));
}

TEST_CASE("recheck: a caller that changed after connecting is refused", "[agent][caller]") {
    FakeKernel kernel;
    IdentityConfig rules;
    SECTION("at a kernel with peer pidfds") {
        const auto peer = identify(kernel);
        REQUIRE_OK(peer);
        REQUIRE_OK(peer->recheck(rules));
        SECTION("exited") {
            kernel.looks_until_exit = 0;
            REQUIRE_ERRC(Errc::peer_exited, peer->recheck(rules));
        }
        SECTION("exited while it was looked at") {
            kernel.looks_until_exit = 1;
            REQUIRE_ERRC(Errc::peer_exited, peer->recheck(rules));
        }
        SECTION("another uid") {
            kernel.set_status(0, 1001, 0);
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
        }
        SECTION("traced now") {
            kernel.set_status(1000, 1001, 9);
            REQUIRE_ERRC(Errc::peer_traced, peer->recheck(rules));
        }
        SECTION("moved to another cgroup") {
            kernel.set_cgroup("0::/system.slice/b.service\n");
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
        }
    }
    SECTION("at a kernel with PIDFD_GET_INFO") {
        kernel.info = PidfdInfo{1000, 1001, 7};
        rules.trace_recheck = std::chrono::hours(1);
        const auto peer = identify(kernel);
        REQUIRE_OK(peer);
        REQUIRE_OK(peer->recheck(rules));
        SECTION("another uid, though /proc is not read") {
            kernel.info->uid = 0;
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
        }
        SECTION("another gid") {
            kernel.info->gid = 0;
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
        }
        SECTION("moved to another cgroup, though /proc is not read") {
            kernel.info->cgroup = 8;
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
        }
        SECTION(
            "many connections of one process: asked about once in a turn, and again in the next") {
            TurnLook turn;
            REQUIRE_OK(peer->recheck_facts(rules, BootClock::now(), turn));
            kernel.info->uid = 0;
            REQUIRE_OK(peer->recheck_facts(rules, BootClock::now(), turn));
            turn.clear();
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck_facts(rules, BootClock::now(), turn));
        }
        SECTION("one process that connected as two users: each connection is judged by its own") {
            kernel.peer.uid = 1000;
            TurnLook turn;
            REQUIRE_OK(peer->recheck_facts(rules, BootClock::now(), turn));
            kernel.set_status(5, 1001, 0);
            kernel.peer.uid = 5;
            kernel.info->uid = 5;
            const auto other = identify(kernel);
            REQUIRE_OK(other);
            kernel.info->uid = 1000;
            turn.clear();
            REQUIRE_OK(peer->recheck_facts(rules, BootClock::now(), turn));
            REQUIRE_ERRC(Errc::peer_changed, other->recheck_facts(rules, BootClock::now(), turn));
        }
        SECTION("exited") {
            kernel.looks_until_exit = 1;
            REQUIRE_ERRC(Errc::peer_exited, peer->recheck(rules));
        }
        SECTION("traced now: seen by the next look at /proc") {
            kernel.set_status(1000, 1001, 9);
            REQUIRE_OK(peer->recheck(rules));
            rules.trace_recheck = Millis(0);
            REQUIRE_ERRC(Errc::peer_traced, peer->recheck(rules));
        }
    }
    SECTION("on a hybrid of hierarchies, whose cgroups have no number") {
        kernel.info = PidfdInfo{1000, 1001, 1};
        kernel.set_cgroup("1:name=systemd:/system.slice/app.service\n0::/\n");
        rules.trace_recheck = std::chrono::hours(1);
        const auto peer = identify(kernel);
        REQUIRE_OK(peer);
        kernel.set_cgroup("1:name=systemd:/system.slice/b.service\n0::/\n");
        SECTION("a rule looks at the cgroup: so does each release") {
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
        }
        SECTION("no rule does: it is looked at with the tracer") {
            rules.cgroup_matters = false;
            REQUIRE_OK(peer->recheck(rules));
            rules.trace_recheck = Millis(0);
            REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
        }
    }
    SECTION("at a kernel without them, by its start time") {
        kernel.level_is = IdentityLevel::l1;
        const auto peer = identify(kernel);
        REQUIRE_OK(peer);
        CHECK(peer->caller().weak_pid);
        REQUIRE_OK(peer->recheck(rules));
        kernel.set_start_time(78);
        REQUIRE_ERRC(Errc::peer_changed, peer->recheck(rules));
    }
}

TEST_CASE("writer: only the process that connected may write", "[agent][caller]") {
    const FakeKernel kernel;
    const auto peer = identify(kernel);
    IdentityConfig rules;
    REQUIRE_OK(peer->check_writer({1234, 1000, 1}, rules));
    REQUIRE_ERRC(Errc::writer_mismatch, peer->check_writer({1235, 1000, 1001}, rules));
    REQUIRE_ERRC(Errc::writer_mismatch, peer->check_writer({1234, 1001, 1001}, rules));
    REQUIRE_ERRC(Errc::writer_mismatch, peer->check_writer({0, 1000, 1001}, rules));
    rules.allow_inherited_connection = true;
    REQUIRE_OK(peer->check_writer({1235, 1000, 1001}, rules));
}

TEST_CASE("attack: a file in /proc that grows without end is read to a bound",
          "[agent][caller][attack]") {
    const Kernel& kernel = running_kernel();
    const TempDir dir;
    dir.write("cgroup", std::string(65536, 'x'));
    const auto folder = open_file(dir.path(), O_PATH | O_DIRECTORY);
    REQUIRE_OK(folder);
    const auto file = kernel.open_proc_file(*folder, "cgroup");
    REQUIRE_OK(file);
    std::vector<char> buffer(65536);
    REQUIRE_ERRC(Errc::too_large, kernel.read_proc(*file, buffer));
}

TEST_CASE("the running kernel knows a child of this process, and that it has exited",
          "[agent][caller][kernel]") {
    const Kernel& kernel = running_kernel();
    if (kernel.level() < IdentityLevel::l2) ATTESTD_SKIP("this kernel has no SO_PEERPIDFD");
    std::array<int, 2> go{};
    REQUIRE(::pipe2(go.data(), O_CLOEXEC) == 0);
    Fd read_end(go[0]), write_end(go[1]);
    const TempDir dir;
    const std::string path = (dir / "s").string();
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage{};
    storage.ss_family = AF_UNIX;
    std::copy(path.begin(), path.end(), reinterpret_cast<char*>(&storage) + sizeof(sa_family_t));
    const auto len = static_cast<socklen_t>(sizeof(sa_family_t) + path.size() + 1);
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&storage), len) == 0);
    REQUIRE(::listen(listener.get(), 1) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
        char byte = 0;
        const bool connected = ::connect(s, reinterpret_cast<sockaddr*>(&storage), len) == 0;
        ::close(go[1]);
        _exit(connected && ::read(go[0], &byte, 1) == 0 ? 0 : 1);
    }
    const Fd accepted(::accept(listener.get(), nullptr, nullptr));
    const auto peer = Peer::identify(kernel, accepted.get(), "default", {});
    REQUIRE_OK(peer);
    CHECK(peer->caller().peer.pid == child);
    CHECK(peer->caller().peer.uid == ::geteuid());
    CHECK(peer->caller().start_time != 0);
    REQUIRE_OK(peer->recheck({}));
    IdentityConfig each_time;
    each_time.trace_recheck = Millis(0);
    REQUIRE_OK(peer->recheck(each_time));

    write_end.reset();
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    REQUIRE_ERRC(Errc::peer_exited, peer->recheck({}));
}

}  // namespace attestd::caller_test
