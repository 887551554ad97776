// Service: asks Intel's Provisioning Certification Service (or a PCCS) and AMD's Key Distribution
// Service for one endorsement (`spec/tdx.md` section 5.1, `spec/snp.md` section 9).
//
// What comes back is brought into the form in which endorsements are kept; nothing is believed
// here.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "agent/collateral/endorsement_id.h"
#include "agent/network/fetcher.h"
#include "quote/base/result.h"

namespace attestd {

enum class TcbUpdate : std::uint8_t { standard, early };

/// Where the services are. Base addresses have no slash at the end.
struct ServiceAddresses {
    std::string pcs = "https://api.trustedservices.intel.com";  ///< or a PCCS
    /// Of Intel's root list. Empty: the PCCS at `pcs` has it.
    std::string root_crl = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
    std::string kds = "https://kdsintf.amd.com";
    TcbUpdate update = TcbUpdate::standard;
    /// Ask Intel for this set of TCB documents, whatever `update` says.
    std::optional<std::uint32_t> evaluation_data_number{};

    /// A PCCS (anything but Intel's own host) serves the root list, too.
    void use_pccs(std::string base) {
        pcs = std::move(base);
        root_crl.clear();
    }
    friend bool operator==(const ServiceAddresses&, const ServiceAddresses&) = default;
};

/// Why a service gave nothing, and when it may be asked again, if it said so.
struct ServiceFailure {
    Error error;
    std::optional<std::chrono::seconds> retry_after;
};

/// The address to ask.
[[nodiscard]] std::string endorsement_url(const ServiceAddresses& services,
                                          const EndorsementId& id);

/// Asks for `id` and returns it in the form that Endorsements::add() takes: collateral JSON of one
/// document with its chain, PEM of a list with its chain, PEM or DER of certificates.
/// Errc::collateral_not_found (404), Errc::collateral_gone (410), Errc::collateral_throttled (429),
/// Errc::collateral_service for any other status or an answer that is not in the service's form;
/// Errc::fetch_*.
[[nodiscard]] tl::expected<Bytes, ServiceFailure> ask_service(Fetcher& fetcher,
                                                              const ServiceAddresses& services,
                                                              const EndorsementId& id,
                                                              Fetcher::Deadline deadline);

}  // namespace attestd
