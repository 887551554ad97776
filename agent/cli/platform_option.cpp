#include "agent/cli/platform_option.h"

#include <fmt/format.h>

#include <optional>

#include "agent/network/quote_exchange.h"
#include "agent/network/spawning_fetcher.h"
#include "agent/platform/external.h"
#include "quote/platform/guest_platform.h"
#include "quote/platform/host.h"

namespace attestd::cli {
namespace {

std::optional<GuestInterface> interface_named(std::string_view name) noexcept {
    for (const auto known :
         {GuestInterface::configfs_tsm, GuestInterface::sev_guest, GuestInterface::tdx_guest}) {
        if (interface_name(known) == name) return known;
    }
    return std::nullopt;
}

// Entries of its own: the daemon's are never touched, and this one's not by the daemon.
std::unique_ptr<Platform> guest_platform(GuestInterface interface,
                                         const std::string& quote_service = {}) {
    GuestOptions options;
    options.entry_prefix = "attestctl-";
    if (interface == GuestInterface::tdx_guest) {
        const std::string url = quote_service_url(host_system(), quote_service);
        if (!url.empty())
            options.quote_exchange = make_quote_exchange(std::make_shared<SpawningFetcher>(), url);
    }
    return make_guest_platform(host_system(), interface, options);
}

std::unique_ptr<Platform> azure_vtpm(std::string socket) {
    return std::make_unique<ExternalPlatform>(std::move(socket), PlugInKind::azure_vtpm);
}

}  // namespace

Result<std::unique_ptr<Platform>> make_platform(const std::string& text) {
    constexpr std::string_view kExternal = "external:";
    if (text.starts_with(kExternal) && text.size() > kExternal.size()) {
        return std::make_unique<ExternalPlatform>(text.substr(kExternal.size()));
    }
    if (text.starts_with('/') || text.starts_with("./"))
        return std::make_unique<ExternalPlatform>(text);
    constexpr std::string_view kQuoteService = "tdx_guest:";
    if (text.starts_with(kQuoteService) && text.size() > kQuoteService.size())
        return guest_platform(GuestInterface::tdx_guest, text.substr(kQuoteService.size()));
    constexpr std::string_view kVtpmSocket = "azure_vtpm:";
    if (text.starts_with(kVtpmSocket) && text.size() > kVtpmSocket.size())
        return azure_vtpm(text.substr(kVtpmSocket.size()));
    if (text == "azure_vtpm") return azure_vtpm(kAzureVtpmSocket);
    if (const auto interface = interface_named(text)) return guest_platform(*interface);
    if (text == "auto") {
        const Detection found = detect(host_system(), host_cpuid());
        if (found.use == GuestInterface::azure_vtpm) return azure_vtpm(kAzureVtpmSocket);
        if (found.use != GuestInterface::none) return guest_platform(found.use);
        return fail(Errc::platform_unsupported,
                    found.why + "; attestctl doctor tells what was looked at");
    }
    return fail(Errc::bad_usage, fmt::format("--platform {}: {}", text, kPlatformHelp));
}

}  // namespace attestd::cli
