#include "quote/platform/guest_platform.h"

#include "quote/platform/deadline_platform.h"
#include "quote/platform/sev_guest.h"
#include "quote/platform/tdx_guest.h"

namespace attestd {
namespace {

std::unique_ptr<Platform> make_configfs(System& system, const GuestOptions& options) {
    ConfigfsTsmOptions own;
    own.privlevel = options.vmpl;
    own.service = options.service;
    own.prefix = options.entry_prefix;
    auto platform = std::make_unique<ConfigfsTsm>(system, std::move(own));
    if (options.on_leftovers) {
        if (const auto num_left = platform->remove_leftovers(); num_left != 0)
            options.on_leftovers(num_left);
    }
    return platform;
}

std::unique_ptr<Platform> make_plain(System& system, GuestInterface interface,
                                     const GuestOptions& options) {
    if (interface == GuestInterface::configfs_tsm) return make_configfs(system, options);
    if (interface == GuestInterface::tdx_guest)
        return std::make_unique<TdxGuest>(system, options.quote_exchange);
    SevGuestOptions own;
    own.vmpl = options.vmpl;
    return std::make_unique<SevGuest>(system, own);
}

}  // namespace

std::unique_ptr<Platform> make_guest_platform(System& system, GuestInterface interface,
                                              const GuestOptions& options) {
    return std::make_unique<DeadlinePlatform>(make_plain(system, interface, options));
}

}  // namespace attestd
