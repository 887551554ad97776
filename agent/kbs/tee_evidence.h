// This machine's evidence in the JSON that key brokers take (`spec/kbs.md` section 5).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "quote/base/result.h"
#include "quote/platform/evidence.h"

namespace attestd::kbs {

enum class TeeSpelling : std::uint8_t {
    current,
    legacy,  ///< of Azure, before Trustee v0.16
};

/// Whose evidence a machine gives.
struct TeeKind {
    Tee tee;
    bool is_azure = false;  ///< by way of a paravisor's vTPM

    friend bool operator==(const TeeKind&, const TeeKind&) = default;
};

/// "tdx", "snp", "az-tdx-vtpm" or "az-snp-vtpm".
[[nodiscard]] std::string_view tee_name_of(TeeKind kind, TeeSpelling spelling) noexcept;

/// A paravisor's is known by its JSON (section 5.4).
[[nodiscard]] TeeKind kind_of(const Evidence& evidence);

/// The object "primary_evidence". `digest` is what the evidence was asked to carry.
///
/// A TDX event log is sent only where its replay gives the quote's registers: brokers refuse what
/// does not. An SNP report goes as its members, with the host's certificates when a VCEK or VLEK is
/// among them. Errc::unsupported_version and Errc::platform_unsupported for what no broker takes,
/// Errc::platform_wrong_echo when it does not carry the digest, errors of the parsers.
[[nodiscard]] Result<nlohmann::json> primary_evidence(const Evidence& evidence, ByteView digest);

}  // namespace attestd::kbs
