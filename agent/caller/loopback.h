// Who calls over TCP: nobody that the kernel names, and only from this machine.
//
// attestd opens no such socket; systemd hands one over, for a listener of kind `coco` that is
// configured so (`spec/kbs.md` section 7).
#pragma once

#include <sys/socket.h>

#include <string>

#include "quote/base/result.h"

namespace attestd {

/// Whether it is of 127.0.0.0/8, ::1, or the former as an IPv6 address.
[[nodiscard]] bool is_loopback(const sockaddr_storage& address) noexcept;

/// "127.0.0.1:8006", "[::1]:8006"; "another family" for what is neither.
[[nodiscard]] std::string address_text(const sockaddr_storage& address);

/// Whether a socket is TCP, listens, and is bound to a loopback address. Errc::bad_config names
/// `name` and says what it is instead.
[[nodiscard]] Result<void> check_loopback_listener(int socket, std::string_view name);

/// The address of who is at the other end. Errc::caller_unknown when it is not of this machine's
/// loopback.
[[nodiscard]] Result<std::string> loopback_peer(int socket);

}  // namespace attestd
