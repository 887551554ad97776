// Files that hold what others must not read or write: how they are checked and read.
#pragma once

#include <cstdint>
#include <string>

#include "quote/base/secret.h"
#include "quote/platform/system.h"

namespace attestd {

enum class NodeKind : std::uint8_t { file, folder };

/// That the open `fd` is a regular file or a folder, of root or this process' user, and that its
/// group cannot write it and others can do nothing with it: its group may read it, as which the
/// mask of an access list shows. `what` names it in errors. `insecure`, Errc::io_failed.
[[nodiscard]] Result<void> check_private(System& system, int fd, const std::string& what,
                                         NodeKind kind, Errc insecure);

/// From the file's present position to its end, at most `max_len` bytes, into memory for secrets
/// and nowhere else. `too_large`, Errc::io_failed, Errc::memory_locked.
[[nodiscard]] Result<Secret> read_into_secret(System& system, int fd, const std::string& what,
                                              std::size_t max_len, Errc too_large);

}  // namespace attestd
