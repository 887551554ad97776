#include "agent/network/fetcher.h"

#include <algorithm>
#include <charconv>

namespace attestd {

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value) {
    constexpr std::int64_t kLongest = 3600;
    std::int64_t seconds = 0;
    const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), seconds);
    if (value.empty() || ec != std::errc() || end != value.data() + value.size() || seconds < 0)
        return std::nullopt;
    return std::chrono::seconds(std::min(seconds, kLongest));
}

// Of fetchers that have no better way: the body was in ordinary memory, which is wiped.
Result<SecretFetchResponse> Fetcher::fetch_secret(const FetchRequest& request, Deadline deadline) {
    ATTESTD_TRY(FetchResponse answer, fetch(request, deadline));
    auto body = Secret::copy_of(answer.body);
    wipe_bytes(answer.body);
    if (!body) return tl::make_unexpected(std::move(body).error());
    return SecretFetchResponse{answer.status, std::move(answer.headers), *std::move(body)};
}

}  // namespace attestd
