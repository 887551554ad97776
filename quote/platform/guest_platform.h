// The platform for an interface of the kernel, ready for a caller with a deadline.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "quote/platform/configfs_tsm.h"
#include "quote/platform/detect.h"
#include "quote/platform/platform.h"
#include "quote/platform/tdx_guest.h"

namespace attestd {

struct GuestOptions {
    std::optional<std::uint32_t> vmpl;  ///< of SNP reports, 0 to 3; not given: the guest's own
    /// Fresh entries of configfs begin with it: each program knows its own.
    std::string entry_prefix;
    /// Called for `configfs_tsm` with the number of entries that a killed process of this program
    /// left and that were removed; not given: they are left alone.
    std::function<void(std::size_t)> on_leftovers = {};
    /// `tdx_guest`'s way to the quote service; without it that interface gives no evidence.
    QuoteExchange quote_exchange = {};
    std::optional<TsmService> service = {};  ///< of `configfs_tsm`
};

/// `system` outlives the platform. `interface` is one of the kernel's: neither `none` nor
/// `azure_vtpm`.
[[nodiscard]] std::unique_ptr<Platform> make_guest_platform(System& system,
                                                            GuestInterface interface,
                                                            const GuestOptions& options);

}  // namespace attestd
