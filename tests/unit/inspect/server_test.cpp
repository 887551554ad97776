// The server of attestd-inspect: whom it answers, in which order, and what it survives.
#include "agent/inspect/server.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <cstring>

#include "quote/base/unix_address.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/inspect/child.h"

using namespace attestd;
using namespace attestd::inspect;
using attestd::test::Child;
using attestd::test::copy_of;
using attestd::test::kSleep;
using attestd::test::TempDir;

namespace {

constexpr std::uint64_t kServerMib = std::uint64_t{1} << 20;
constexpr Wanted kDigestWanted{true, false, false, false};

// A server in a process of its own.
class Running final {
 public:
    explicit Running(ServerConfig config = {}) {
        config.client = config.client == 0 ? ::getuid() : config.client;
        auto file = SocketFile::bind(path(), std::nullopt);
        REQUIRE_OK(file);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
            _exit(serve(file->socket(), config) ? 0 : 1);
        }
        listener_.emplace(*std::move(file));
    }
    ~Running() { stop(SIGKILL); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    std::string path() const { return (dir_ / "inspect.sock").string(); }
    int stop(int number) {
        if (pid_ <= 0) return -1;
        int status = -1;
        ::kill(pid_, number);
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return status;
    }
    std::ptrdiff_t num_fds() const {
        const std::filesystem::directory_iterator fds("/proc/" + std::to_string(pid_) + "/fd");
        return std::distance(begin(fds), end(fds));
    }

    Fd connect() const {
        Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        const auto address = UnixAddress::of_path(path());
        REQUIRE(::connect(fd.get(), address->get(), address->len()) == 0);
        return fd;
    }

 private:
    TempDir dir_;
    pid_t pid_ = 0;
    std::optional<SocketFile> listener_;
};

void send_with(const Fd& socket, ByteView bytes, const std::vector<int>& fds) {
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    iovec part{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    // A server that hung up already is what some tests are about.
    static_cast<void>(::sendmsg(socket.get(), &message, MSG_NOSIGNAL));
}

void ask(const Fd& socket, const Fd& pidfd, Wanted wanted, uid_t uid) {
    send_with(socket, encode_request(Request{wanted, uid}), {pidfd.get()});
}

Result<Answer> answer_on(const Fd& socket) {
    pollfd p{socket.get(), POLLIN, 0};
    REQUIRE(::poll(&p, 1, 60'000) == 1);
    return receive_answer(socket);
}

}  // namespace

TEST_CASE("inspector: a question is answered, and SIGTERM ends it in order", "[inspect][server]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    Running server;
    const Fd socket = server.connect();
    ask(socket, child.pidfd(), kDigestWanted, 1);
    const auto answer = answer_on(socket);
    REQUIRE_OK(answer);
    CHECK(answer->outcome == Outcome::done);
    CHECK(answer->facts.sha256 == sha256(ByteView(*read_file(dir / "app", 64 * kServerMib))));
    CHECK(server.stop(SIGTERM) == 0);
}

TEST_CASE("inspector: only its client is answered", "[inspect][server]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    ServerConfig config;
    config.client = ::getuid() + 1;
    const Running server(config);
    const Fd socket = server.connect();
    ask(socket, child.pidfd(), kDigestWanted, 1);
    pollfd p{socket.get(), POLLIN, 0};
    REQUIRE(::poll(&p, 1, 60'000) == 1);
    char byte = 0;
    CHECK(::recv(socket.get(), &byte, 1, 0) <= 0);  // hung up, or reset
}

TEST_CASE("inspector: a message that is none ends its connection, and leaks nothing",
          "[inspect][server]") {
    const Running server;
    const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const auto good = encode_request(Request{kDigestWanted, 1});
    const auto hung_up_after = [&](ByteView bytes, const std::vector<int>& fds) {
        const Fd socket = server.connect();
        send_with(socket, bytes, fds);
        pollfd p{socket.get(), POLLIN, 0};
        REQUIRE(::poll(&p, 1, 60'000) == 1);
        char byte = 0;
        return ::recv(socket.get(), &byte, 1, 0) <= 0;
    };
    CHECK(hung_up_after(good, {}));
    const auto before = server.num_fds();
    for (int i = 0; i < 50; ++i) {
        CHECK(hung_up_after(good, {null.get(), null.get()}));
        CHECK(hung_up_after(good, std::vector<int>(250, null.get())));
        CHECK(hung_up_after(as_bytes("GET / HTTP/1.1\r\n\r\n"), {null.get()}));
        CHECK(hung_up_after(ByteView(good).first(5), {null.get()}));
    }
    CHECK(server.num_fds() == before);
}

TEST_CASE("inspector: a uid whose inspection took too long is refused for a while",
          "[inspect][server]") {
    const TempDir dir;
    const Child slow(copy_of("/bin/sleep", dir / "slow", 200 * kServerMib), kSleep);
    ServerConfig config;
    config.time_limit = std::chrono::milliseconds(1);
    const Running server(config);
    const Fd first = server.connect(), second = server.connect();
    ask(first, slow.pidfd(), kDigestWanted, 1);
    ask(second, slow.pidfd(), Wanted(), 1);  // waits for the first's end
    const auto timed_out = answer_on(first);
    REQUIRE_OK(timed_out);
    if (timed_out->outcome == Outcome::done)  // else it was killed before it could say so
        CHECK(timed_out->facts.digest_state == DigestState::timed_out);
    const auto held = answer_on(second);
    REQUIRE_OK(held);
    CHECK(held->outcome == Outcome::failed);
}

TEST_CASE("inspector: many questions of one uid are answered one after another",
          "[inspect][server]") {
    const TempDir dir;
    const Child child(copy_of("/bin/sleep", dir / "app"), kSleep);
    const Running server;
    std::vector<Fd> sockets;
    for (int i = 0; i < 40; ++i) {
        sockets.push_back(server.connect());
        ask(sockets.back(), child.pidfd(), kDigestWanted, 1);
    }
    for (const Fd& socket : sockets) {
        const auto answer = answer_on(socket);
        REQUIRE_OK(answer);
        CHECK(answer->outcome == Outcome::done);
    }
}

TEST_CASE("inspector: the owner of the socket's file is whom it is for", "[inspect][server]") {
    const TempDir dir;
    const auto file = SocketFile::bind((dir / "s").string(), std::nullopt);
    REQUIRE_OK(file);
    const auto owner = owner_of(file->socket());
    REQUIRE_OK(owner);
    CHECK(*owner == ::getuid());
    struct stat st {};
    REQUIRE(::stat((dir / "s").c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600);
    REQUIRE_ERRC(Errc::too_busy, SocketFile::bind((dir / "s").string(), std::nullopt));
    const Fd none(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE_ERRC(Errc::wrong_type, owner_of(none));
}
