// A connection whose other end has sent all of its bytes already, in pieces of any size.
#pragma once

#include "quote/base/fd.h"
#include "tests/fuzz/target.h"

namespace attestd::fuzz {

/// More than this does not fit into the kernel's buffer at once.
inline constexpr std::size_t kMaxSentLen = 65536;

struct SentBytes {
    Fd ours;    ///< to be read from; what is written to it is never read
    Fd theirs;  ///< stays open until the reading is done, but sends no more
};

/// At most kMaxSentLen bytes. With `piece` above zero each read gives at most that many (the
/// kernel keeps the pieces apart); else as many as are asked for.
[[nodiscard]] SentBytes sent(ByteView bytes, std::size_t piece);

}  // namespace attestd::fuzz
