#include "tests/fuzz/pieces.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace attestd::fuzz {

SentBytes sent(ByteView bytes, std::size_t piece) {
    holds(bytes.size() <= kMaxSentLen, "it fits into the kernel's buffer");
    std::array<int, 2> ends{-1, -1};
    // SOCK_SEQPACKET keeps pieces apart where SOCK_STREAM joins them.
    const int type = (piece == 0 ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC;
    holds(::socketpair(AF_UNIX, type, 0, ends.data()) == 0, "there is a socket pair");
    SentBytes out{Fd(ends[0]), Fd(ends[1])};
    while (!bytes.empty()) {
        const std::size_t len = piece == 0 ? bytes.size() : std::min(piece, bytes.size());
        const ssize_t n = ::send(out.theirs.get(), bytes.data(), len, MSG_NOSIGNAL | MSG_DONTWAIT);
        holds(n > 0, "the kernel takes it");
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    ::shutdown(out.theirs.get(), SHUT_WR);
    return out;
}

}  // namespace attestd::fuzz
