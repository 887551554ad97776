// SpawningFetcher: starts an attestd-fetch for each request and speaks to it over a socket pair.
//
// For attestctl, which has no service to ask. The daemon never links this: it executes nothing. The
// child is treated as SocketFetcher treats its service; its death costs the one request.
#pragma once

#include <filesystem>

#include "agent/network/socket_fetcher.h"

namespace attestd {

struct FetchProgram {
    std::filesystem::path program{};  ///< empty: find_fetch_program() says
    std::filesystem::path config{};   ///< given as --config when not empty
};

/// attestd-fetch beside the running executable, else where it is installed. Errc::fetch_process
/// names the places that were looked at.
[[nodiscard]] Result<std::filesystem::path> find_fetch_program();

class SpawningFetcher final : public Fetcher {
 public:
    explicit SpawningFetcher(FetchProgram program = {}, std::size_t max_body_len = kMaxFetchBody)
        : program_(std::move(program)), max_body_len_(max_body_len) {}

    /// As Fetcher says; also what SocketFetcher::fetch() says. When it returns, the child is gone.
    [[nodiscard]] Result<FetchResponse> fetch(const FetchRequest& request,
                                              Deadline deadline) override;

 private:
    FetchProgram program_;
    std::size_t max_body_len_;
};

}  // namespace attestd
