// Evidence: what a platform's hardware said about this machine, not yet believed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"

namespace attestd {

/// The kinds of hardware whose evidence is known here.
enum class Tee : std::uint8_t { tdx, snp, sgx };

/// "tdx", "snp" or "sgx": as in JSON and finding ids.
[[nodiscard]] constexpr std::string_view tee_name(Tee tee) noexcept {
    return tee == Tee::tdx ? "tdx" : tee == Tee::snp ? "snp" : "sgx";
}

/// The 64 bytes that the hardware signs for whoever asked: a nonce, or a digest that binds one.
using ReportData = ByteArray<64>;

/// Bytes as a platform gave them. Nothing here has been verified; see verifier/ for the next step.
struct Evidence {
    Tee tee;
    /// TDX quote, or SNP report (1184 bytes); of an Azure confidential VM all of its evidence, as
    /// JSON of version 2 (quote/azure/azure_evidence.h).
    Bytes quote;
    std::vector<Bytes>
        endorsements;       ///< that came along: certificate table, collateral; hints only
    Bytes event_log;        ///< empty when there is none
    std::string interface;  ///< which way it was obtained: "external", "configfs_tsm", ...
    /// Not empty: a service at a higher privilege (an SVSM) made the report, which carries
    /// SHA-512(report data || these bytes) in place of the report data.
    Bytes service_manifest = {};
};

/// Whether a paravisor's vTPM stands between the evidence and its hardware.
[[nodiscard]] bool is_azure(const Evidence& evidence);

}  // namespace attestd
