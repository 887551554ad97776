#include "agent/brokers.h"

#include "agent/network/socket_fetcher.h"
#include "agent/session_attester.h"

namespace attestd {
namespace {

Result<std::shared_ptr<kbs::KbsSource>> make_broker(const std::string& name,
                                                    const KbsSourceConfig& config,
                                                    std::shared_ptr<kbs::Attester> attester) {
    auto fetcher = std::make_shared<SocketFetcher>(config.fetch_socket.string());
    auto source = kbs::KbsSource::make(config, std::move(fetcher), std::move(attester));
    if (!source) return fail_in("sources." + name, source.error());
    return source;
}

}  // namespace

Result<Vault::Brokers> make_brokers(Io& io, Session& session, const Config& config) {
    Vault::Brokers out;
    for (const auto& [name, broker] : config.brokers) {
        ATTESTD_TRY(auto source, make_broker(name, broker,
                                             std::make_shared<SessionAttester>(io, session, name)));
        out.emplace(name, std::move(source));
    }
    return out;
}

Result<void> check_brokers(const Config& config) {
    for (const auto& [name, broker] : config.brokers)
        ATTESTD_CHECK(make_broker(name, broker, /*attester=*/nullptr));
    return {};
}

}  // namespace attestd
