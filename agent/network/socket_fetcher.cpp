#include "agent/network/socket_fetcher.h"

#include "agent/network/internal/wire.h"

namespace attestd {

Result<FetchResponse> SocketFetcher::fetch(const FetchRequest& request, Deadline deadline) {
    ATTESTD_TRY(const UnixRequest to_proxy,
                fetch_wire::request_to_proxy(request, deadline, max_body_len_));
    const UnixClient client(path_, max_body_len_);
    return fetch_wire::answer_of_proxy(client.exchange(to_proxy, deadline), request, path_);
}

Result<SecretFetchResponse> SocketFetcher::fetch_secret(const FetchRequest& request,
                                                        Deadline deadline) {
    ATTESTD_TRY(UnixRequest to_proxy,
                fetch_wire::request_to_proxy(request, deadline, max_body_len_));
    const UnixClient client(path_, max_body_len_);
    auto answer = client.exchange_secret(to_proxy, deadline);
    for (auto& [name, value] : to_proxy.fields) wipe_text(value);
    return fetch_wire::secret_answer_of_proxy(std::move(answer), request, path_);
}

}  // namespace attestd
