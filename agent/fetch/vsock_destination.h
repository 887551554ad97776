// The host's quote service over vsock (`spec/guest-interfaces.md` section 4): one message, framed
// by its length, and one back. What the messages say is the client's to know.
//
// Only AF_VSOCK, only an address that the configuration lists, only POST. The host is not trusted:
// an answer is one frame of a bounded length, whole and in time, or an error.
#pragma once

#include <optional>

#include "agent/fetch/config.h"
#include "agent/fetch/message.h"
#include "quote/base/fd.h"
#include "quote/base/result.h"

namespace attestd::fetch {

inline constexpr std::size_t kMaxVsockFrame = std::size_t{128} << 10;

/// The address in "vsock://CID:PORT", both decimal, with or without a slash at its end.
[[nodiscard]] std::optional<VsockAddress> parse_vsock(std::string_view text) noexcept;

/// Sends the request's body and returns the service's answer as the body of a 200. Errc::fetch_*.
[[nodiscard]] Result<ServerAnswer> fetch_over_vsock(const FetchConfig& config,
                                                    const ProxyRequest& request);

/// The exchange alone, on a stream socket that is connected. At most `max_len` bytes are taken;
/// Errc::fetch_too_large, Errc::fetch_truncated, Errc::fetch_timed_out, Errc::fetch_unreachable.
[[nodiscard]] Result<Bytes> exchange_frames(const Fd& socket, ByteView message, std::size_t max_len,
                                            const std::string& place, Deadline deadline);

}  // namespace attestd::fetch
