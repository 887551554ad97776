// Commands and answers of a TPM over a descriptor, at the other end of which a test sits.
#include "agent/azure_vtpm/tcti.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "tests/support/catch.h"

namespace attestd::test {
namespace {

using namespace std::chrono_literals;

struct Ends {
    Fd ours, theirs;

    Ends() {
        int fds[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        ours = Fd(fds[0]);
        theirs = Fd(fds[1]);
    }
};

const Bytes kCommand{0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 8};

// Tag, length, code, and `more`.
Bytes answer_with(std::uint8_t len, std::size_t more) {
    Bytes out{0x80, 0x01, 0, 0, 0, len, 0, 0, 0, 0};
    out.resize(out.size() + more, 0x33);
    return out;
}

Deadline in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

// As TSS calls it, without its macros' C casts.
TSS2_TCTI_CONTEXT_COMMON_V1& calls_of(vtpm::FdTcti& tcti) {
    return *static_cast<TSS2_TCTI_CONTEXT_COMMON_V1*>(static_cast<void*>(tcti.get()));
}

TSS2_RC transmit(vtpm::FdTcti& tcti) {
    return calls_of(tcti).transmit(tcti.get(), kCommand.size(), kCommand.data());
}

struct Got {
    TSS2_RC code;
    Bytes bytes;
};
Got receive(vtpm::FdTcti& tcti, std::size_t room = 4096) {
    Got got{0, Bytes(room)};
    std::size_t len = room;
    got.code = calls_of(tcti).receive(tcti.get(), &len, got.bytes.data(), TSS2_TCTI_TIMEOUT_BLOCK);
    got.bytes.resize(std::min(len, room));
    return got;
}

}  // namespace

TEST_CASE("tcti: a command goes out as it is, and an answer comes whole in whatever pieces",
          "[azure_vtpm]") {
    Ends ends;
    vtpm::FdTcti tcti(std::move(ends.ours), in(5s));
    CHECK(transmit(tcti) == TSS2_RC_SUCCESS);
    Bytes seen(64);
    seen.resize(static_cast<std::size_t>(::read(ends.theirs.get(), seen.data(), seen.size())));
    CHECK(seen == kCommand);
    const Bytes answer = answer_with(30, 20);
    std::thread slowly([&] {
        for (const std::uint8_t byte : answer) {
            static_cast<void>(!::write(ends.theirs.get(), &byte, 1));
            std::this_thread::sleep_for(1ms);
        }
    });
    std::size_t len = 0;
    CHECK(calls_of(tcti).receive(tcti.get(), &len, nullptr, 0) == TSS2_RC_SUCCESS);
    slowly.join();
    CHECK(len == answer.size());
    const Got small = receive(tcti, 5);
    CHECK(small.code == TSS2_TCTI_RC_INSUFFICIENT_BUFFER);
    const Got got = receive(tcti);
    CHECK(got.code == TSS2_RC_SUCCESS);
    CHECK(got.bytes == answer);
    CHECK_FALSE(tcti.timed_out());
}

TEST_CASE("tcti: no answer by the deadline is a time-out, once", "[azure_vtpm]") {
    Ends ends;
    const auto begin = std::chrono::steady_clock::now();
    vtpm::FdTcti tcti(std::move(ends.ours), in(100ms));
    CHECK(transmit(tcti) == TSS2_RC_SUCCESS);
    CHECK(receive(tcti).code == TSS2_TCTI_RC_IO_ERROR);
    CHECK(tcti.timed_out());
    for (int i = 0; i < 100; ++i) {
        CHECK(transmit(tcti) == TSS2_TCTI_RC_IO_ERROR);
        CHECK(receive(tcti).code == TSS2_TCTI_RC_IO_ERROR);
    }
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("tcti: an answer that is none fails by what is wrong with it", "[azure_vtpm]") {
    struct Row {
        const char* name;
        Bytes answer;
        int want;
    };
    const auto row = GENERATE(values<Row>({
        {"longer than it says", answer_with(15, 20), EBADMSG},
        {"cut off", answer_with(40, 5), EPIPE},
        {"nothing", {}, EPIPE},
        {"longer than a TPM's may be", Bytes{0x80, 1, 0, 1, 0, 0, 0, 0, 0, 0}, EMSGSIZE},
    }));
    INFO(row.name);
    Ends ends;
    vtpm::FdTcti tcti(std::move(ends.ours), in(5s));
    if (!row.answer.empty())
        REQUIRE(::write(ends.theirs.get(), row.answer.data(), row.answer.size()) > 0);
    ends.theirs = Fd();
    CHECK(receive(tcti).code == TSS2_TCTI_RC_IO_ERROR);
    CHECK(tcti.error() == row.want);
    CHECK_FALSE(tcti.timed_out());
}

TEST_CASE("tcti: a TPM that has gone is the driver's error", "[azure_vtpm]") {
    Ends ends;
    vtpm::FdTcti tcti(std::move(ends.ours), in(5s));
    ends.theirs = Fd();
    std::signal(SIGPIPE, SIG_IGN);
    CHECK(transmit(tcti) == TSS2_TCTI_RC_IO_ERROR);
    CHECK(tcti.error() == EPIPE);
}

}  // namespace attestd::test
