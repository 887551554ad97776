#include "agent/platform_choice.h"

#include "agent/log.h"
#include "agent/network/quote_exchange.h"
#include "agent/network/socket_fetcher.h"
#include "agent/platform/external.h"
#include "quote/platform/guest_platform.h"
#include "quote/platform/host.h"

namespace attestd {
namespace {

GuestInterface interface_of(PlatformType type) noexcept {
    switch (type) {
        case PlatformType::configfs_tsm:
            return GuestInterface::configfs_tsm;
        case PlatformType::sev_guest:
            return GuestInterface::sev_guest;
        case PlatformType::tdx_guest:
            return GuestInterface::tdx_guest;
        case PlatformType::azure_vtpm:
            return GuestInterface::azure_vtpm;
        case PlatformType::automatic:
        case PlatformType::external:
            break;
    }
    return GuestInterface::none;
}

// Empty where no quote service is configured.
QuoteExchange exchange_for(const PlatformConfig& config,
                           const std::filesystem::path& fetch_socket) {
    const std::string url = quote_service_url(host_system(), config.quote_service);
    if (url.empty()) return {};
    return make_quote_exchange(std::make_shared<SocketFetcher>(fetch_socket.string()), url);
}

}  // namespace

Result<std::unique_ptr<Platform>> make_platform(const PlatformConfig& config,
                                                const std::filesystem::path& fetch_socket) {
    if (config.type == PlatformType::external) {
        return std::make_unique<ExternalPlatform>(config.socket.string());
    }
    GuestInterface interface = interface_of(config.type);
    if (config.type == PlatformType::automatic) {
        const Detection found = detect(host_system(), host_cpuid());
        if (found.use == GuestInterface::none) {
            return fail(Errc::platform_unsupported,
                        "platform \"auto\": " + found.why + " (attestctl doctor tells more)");
        }
        interface = found.use;
    }
    if (interface == GuestInterface::azure_vtpm) {
        const std::string socket =
            config.socket.empty() ? kAzureVtpmSocket : config.socket.string();
        return std::make_unique<ExternalPlatform>(socket, PlugInKind::azure_vtpm);
    }
    GuestOptions options{config.vmpl, "attestd-", [](std::size_t num_left) {
                             log_event(LogLevel::warn, "platform.leftovers",
                                       {{"removed", std::to_string(num_left)},
                                        {"why", "an earlier attestd was killed during a request"}});
                         }};
    if (const auto& service = config.service)
        options.service = TsmService{service->provider, service->guid, service->manifest_version};
    if (interface == GuestInterface::tdx_guest)
        options.quote_exchange = exchange_for(config, fetch_socket);
    return make_guest_platform(host_system(), interface, options);
}

}  // namespace attestd
