#include "agent/network/quote_exchange.h"

#include <fmt/format.h>

namespace attestd {

QuoteExchange make_quote_exchange(std::shared_ptr<Fetcher> fetcher, std::string url) {
    return [fetcher = std::move(fetcher), url = std::move(url)](
               ByteView message, Deadline deadline) -> Result<Bytes> {
        FetchRequest request;
        request.url = url;
        request.method = "POST";
        request.content_type = "application/octet-stream";
        request.body = to_bytes(message);
        ATTESTD_TRY(FetchResponse answer, fetcher->fetch(request, deadline));
        if (answer.status == 200) return std::move(answer.body);
        return fail(Errc::quote_service,
                    fmt::format("{}: status {} and no answer", url, answer.status));
    };
}

std::string quote_service_url(System& system, const std::string& configured) {
    constexpr unsigned kHostCid = 2;  // VMADDR_CID_HOST
    if (!configured.empty()) return configured;
    const auto port = quote_service_port(system);
    return port ? fmt::format("vsock://{}:{}", kHostCid, *port) : std::string();
}

}  // namespace attestd
