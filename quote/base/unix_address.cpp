#include "quote/base/unix_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace attestd {

Result<UnixAddress> UnixAddress::of_path(std::string_view path) {
    UnixAddress out;
    if (path.empty() || path.size() >= sizeof out.address_.sun_path ||
        path.find('\0') != path.npos) {
        return fail(Errc::bad_value, fmt::format("{}: a socket's path has 1 to {} bytes", path,
                                                 sizeof out.address_.sun_path - 1));
    }
    out.address_.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), out.address_.sun_path);
    out.len_ = sizeof out.address_;
    return out;
}

Result<UnixAddress> UnixAddress::of_path_or_abstract(std::string_view text) {
    ATTESTD_TRY(UnixAddress out, of_path(text));
    if (text.front() != '@') return out;
    // A name in the abstract namespace begins with NUL and is exactly as long as is said here.
    out.address_.sun_path[0] = '\0';
    out.len_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
    return out;
}

const sockaddr* UnixAddress::get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&address_);
}

}  // namespace attestd
