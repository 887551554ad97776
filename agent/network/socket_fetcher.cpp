#include "agent/network/socket_fetcher.h"

#include "agent/network/internal/wire.h"

namespace attestd {

Result<FetchResponse> SocketFetcher::fetch(const FetchRequest& request, Deadline deadline) {
    ATTESTD_TRY(const UnixRequest to_proxy,
                fetch_wire::request_to_proxy(request, deadline, max_body_len_));
    const UnixClient client(path_, max_body_len_);
    return fetch_wire::answer_of_proxy(client.exchange(to_proxy, deadline), request, path_);
}

}  // namespace attestd
