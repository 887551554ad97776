// Wire: real socket pairs; who wrote, what was sent along, and writing through a full buffer.
#include "agent/api/wire.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tests/support/catch.h"

using namespace attestd;

namespace {

struct Pair {
    Fd theirs;
    std::unique_ptr<Wire> ours;

    Pair() {
        std::array<int, 2> fds{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0);
        const int on = 1;
        REQUIRE(::setsockopt(fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
        theirs.reset(fds[1]);
        ours = std::make_unique<Wire>(Fd(fds[0]));
    }

    Result<Received> receive(std::span<std::uint8_t> into) {
        ATTESTD_TRY(const auto got, ours->receive(into));
        if (!got) return fail(Errc::too_busy, "nothing has come");
        return *got;
    }
};

int num_open_fds() {
    int count = 0;
    DIR* const dir = ::opendir("/proc/self/fd");
    while (::readdir(dir) != nullptr) ++count;
    ::closedir(dir);
    return count;
}

void send_with_fds(int socket, std::size_t count) {
    char byte = 'x';
    iovec part{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(253 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (std::size_t i = 0; i < count; ++i)
        std::memcpy(CMSG_DATA(header) + i * sizeof(int), &socket, sizeof socket);
    REQUIRE(::sendmsg(socket, &message, 0) == 1);
}

}  // namespace

TEST_CASE("wire: each read says which process wrote", "[agent][wire]") {
    Pair pair;
    REQUIRE(::write(pair.theirs.get(), "hello", 5) == 5);
    ByteArray<16> buffer{};
    const auto got = pair.receive(buffer);
    REQUIRE_OK(got);
    CHECK(as_text(ByteView(buffer).first(got->len)) == "hello");
    REQUIRE(got->writer.has_value());
    CHECK(got->writer->pid == ::getpid());
    CHECK(got->writer->uid == ::geteuid());
}

TEST_CASE("wire: a child that writes on an inherited socket is told from its parent",
          "[agent][wire]") {
    Pair pair;
    const pid_t child = ::fork();
    if (child == 0) _exit(::write(pair.theirs.get(), "x", 1) == 1 ? 0 : 1);
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    // Written by both, one after the other: never in one piece.
    REQUIRE(::write(pair.theirs.get(), "y", 1) == 1);
    ByteArray<16> buffer{};
    const auto first = pair.receive(buffer);
    REQUIRE_OK(first);
    CHECK(first->len == 1);
    CHECK(first->writer->pid == child);
    const auto second = pair.receive(buffer);
    REQUIRE_OK(second);
    CHECK(second->writer->pid == ::getpid());
}

TEST_CASE("wire: descriptors that a peer sends are closed, however many", "[agent][wire]") {
    Pair pair;
    const int before = num_open_fds();
    ByteArray<16> buffer{};
    for (const std::size_t count : {1U, 31U, 32U, 100U, 240U, 253U}) {
        INFO(count);
        send_with_fds(pair.theirs.get(), count);
        const auto got = pair.receive(buffer);
        REQUIRE_OK(got);
        CHECK(num_open_fds() == before);
    }
}

TEST_CASE("wire: the end of the stream is a read of nothing", "[agent][wire]") {
    Pair pair;
    pair.theirs.reset();
    ByteArray<4> buffer{};
    const auto got = pair.receive(buffer);
    REQUIRE_OK(got);
    CHECK(got->len == 0);
}

TEST_CASE("wire: a secret larger than the socket's buffer arrives whole behind its head",
          "[agent][wire]") {
    Pair pair;
    auto secret = Secret::zeroed(600'000);
    REQUIRE_OK(secret);
    secret->fill([](std::span<std::uint8_t> to) {
        for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::uint8_t>(i * 7);
    });
    const std::string head = "head\r\n";
    const std::size_t total = head.size() + secret->size();
    std::size_t sent = 0, num_pieces = 0;
    Bytes got;
    ByteArray<65536> chunk{};
    while (got.size() < total) {
        const auto more = pair.ours->send(as_bytes(head), *secret, sent);
        REQUIRE_OK(more);
        if (*more != sent) ++num_pieces;
        sent = *more;
        const ssize_t n = ::recv(pair.theirs.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
        if (n > 0) got.insert(got.end(), chunk.begin(), chunk.begin() + n);
    }
    CHECK(sent == total);
    CHECK(num_pieces > 1);  // or the socket's buffer took all of it and nothing was tested
    CHECK(as_text(ByteView(got).first(head.size())) == head);
    CHECK(secret->expose(
        [&](ByteView bytes) { return equal(bytes, ByteView(got).subspan(head.size())); }));
}

TEST_CASE("wire: a read of what has not come yet says so and does not wait", "[agent][wire]") {
    Pair pair;
    ByteArray<4> buffer{};
    const auto got = pair.ours->receive(buffer);
    REQUIRE_OK(got);
    CHECK_FALSE(got->has_value());
}

TEST_CASE("wire: writing to a peer that is gone is an error and no signal", "[agent][wire]") {
    Pair pair;
    pair.theirs.reset();
    const std::string head = "head";
    REQUIRE_ERRC(Errc::unavailable, pair.ours->send(as_bytes(head), ByteView(), 0));
}
