#include "agent/network/socket_fetcher.h"

#include <openssl/crypto.h>

#include "agent/network/internal/wire.h"

namespace attestd {

Result<FetchResponse> SocketFetcher::fetch(const FetchRequest& request, Deadline deadline) {
    ATTESTD_TRY(UnixRequest to_proxy,
                fetch_wire::request_to_proxy(request, deadline, max_body_len_));
    if (request.at_stop == AtStop::give_up) to_proxy.stop = &stop_;
    const UnixClient client(path_, max_body_len_);
    auto answer = client.exchange(to_proxy, deadline);
    // The copies of headers: one may be a key or a token. The caller's own are the caller's.
    for (auto& [name, value] : to_proxy.fields) OPENSSL_cleanse(value.data(), value.size());
    return fetch_wire::answer_of_proxy(std::move(answer), request, path_);
}

Result<SecretFetchResponse> SocketFetcher::fetch_secret(const FetchRequest& request,
                                                        Deadline deadline) {
    ATTESTD_TRY(UnixRequest to_proxy,
                fetch_wire::request_to_proxy(request, deadline, max_body_len_));
    if (request.at_stop == AtStop::give_up) to_proxy.stop = &stop_;
    const UnixClient client(path_, max_body_len_);
    auto answer = client.exchange_secret(to_proxy, deadline);
    for (auto& [name, value] : to_proxy.fields) wipe_text(value);
    return fetch_wire::secret_answer_of_proxy(std::move(answer), request, path_);
}

}  // namespace attestd
