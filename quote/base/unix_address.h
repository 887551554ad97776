// UnixAddress: the address of a Unix socket as the kernel's calls take it, made in one place.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string_view>

#include "quote/base/result.h"

namespace attestd {

class UnixAddress final {
 public:
    /// The socket at `path`: 1 to 107 bytes without NUL. Errc::bad_value.
    [[nodiscard]] static Result<UnixAddress> of_path(std::string_view path);
    /// The same, or with a leading '@' a name in the kernel's abstract namespace, as $NOTIFY_SOCKET
    /// spells it. Errc::bad_value.
    [[nodiscard]] static Result<UnixAddress> of_path_or_abstract(std::string_view text);

    /// For bind(), connect() and sendto(); as long as this object lives.
    [[nodiscard]] const sockaddr* get() const noexcept;
    [[nodiscard]] socklen_t len() const noexcept { return len_; }

 private:
    UnixAddress() = default;
    sockaddr_un address_{};
    socklen_t len_ = 0;
};

}  // namespace attestd
