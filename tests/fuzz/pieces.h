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

/// Holds that both are good or neither, and says whether they are. One thing may differ: who has
/// read all of a message reads no further, and so does not see bytes behind it that come later.
template <class T>
[[nodiscard]] bool agree(const Result<T>& whole, const Result<T>& parts) {
    const bool bytes_follow =
        !whole && whole.error().detail.find("bytes follow") != std::string::npos;
    holds(parts.has_value() ? whole || bytes_follow : !whole,
          "pieces and whole are both good or neither");
    return whole && parts;
}

}  // namespace attestd::fuzz
