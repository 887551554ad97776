// SocketFetcher: fetches through the attestd-fetch that listens on a Unix socket.
//
// What answers there has talked to the internet and is treated as hostile: every length is bounded,
// and an answer that is not exactly one of attestd-fetch's is Errc::fetch_process.
#pragma once

#include "agent/http/stop_signal.h"
#include "agent/network/fetcher.h"

namespace attestd {

inline constexpr std::string_view kDefaultFetchSocket = "/run/attestd/fetch.sock";
inline constexpr std::size_t kMaxFetchBody = std::size_t{2} << 20;  ///< collateral has less

class SocketFetcher final : public Fetcher {
 public:
    /// Each request is a connection of its own to `socket_path`. A body over `max_body_len` is
    /// Errc::fetch_too_large. `stop` ends what is on its way; it outlives the fetcher.
    explicit SocketFetcher(std::string socket_path = std::string(kDefaultFetchSocket),
                           std::size_t max_body_len = kMaxFetchBody,
                           const StopSignal& stop = process_stop())
        : path_(std::move(socket_path)), max_body_len_(max_body_len), stop_(stop) {}

    /// As Fetcher says; also Errc::fetch_denied for a request that cannot be written as HTTP, and
    /// Errc::memory_locked when there is no memory to receive in.
    [[nodiscard]] Result<FetchResponse> fetch(const FetchRequest& request,
                                              Deadline deadline) override;
    [[nodiscard]] Result<SecretFetchResponse> fetch_secret(const FetchRequest& request,
                                                           Deadline deadline) override;

 private:
    std::string path_;
    std::size_t max_body_len_;
    const StopSignal& stop_;
};

}  // namespace attestd
