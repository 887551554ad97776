// The manifest of an SVSM's services, which a report made by the SVSM binds (`spec/snp.md`
// section 8, SVSM; AMD 58019).
#pragma once

#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kMaxServiceManifestLen = std::size_t{1} << 20;

struct SvsmService {
    std::string guid;  ///< "c476f1eb-0123-45a5-9641-b4e7dde5bfe3"
    ByteView data;     ///< the service's own manifest

    /// "vtpm", "uefi-variables", or empty for a service that is not known here.
    [[nodiscard]] std::string_view name() const noexcept;
};

/// Parses the manifest of all services; views point into `bytes`. (Of one service, the manifest is
/// that service's data alone.) Errc::unknown_format when it does not begin with the GUID of such a
/// list, Errc::bad_length, Errc::too_large, Errc::duplicate_key.
[[nodiscard]] Result<std::vector<SvsmService>> parse_service_manifest(ByteView bytes);

/// Whether the bytes begin like the manifest of all services: for recognising.
[[nodiscard]] bool looks_like_service_manifest(ByteView bytes) noexcept;

/// REPORT_DATA of a report that an SVSM made: SHA-512 over nonce (64 bytes) and manifest.
[[nodiscard]] inline ByteArray<64> svsm_report_data(const ByteArray<64>& nonce, ByteView manifest) {
    return sha512({nonce, manifest});
}

}  // namespace attestd
