// The SGX extension of PCK certificates, 1.2.840.113741.1.13.1 (`spec/tdx.md` section 4).
#pragma once

#include <optional>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"
#include "quote/x509/certificate.h"

namespace attestd {

enum class SgxType : std::uint8_t { standard = 0, scalable = 1, scalable_with_integrity = 2 };

[[nodiscard]] constexpr std::string_view sgx_type_name(SgxType t) noexcept {
    return t == SgxType::standard   ? "Standard"
           : t == SgxType::scalable ? "Scalable"
                                    : "ScalableWithIntegrity";
}

/// Who the platform is and which TCB its PCK certificate was issued for.
struct PckExtension {
    ByteArray<16> ppid;
    ByteArray<16> tcb_components;  ///< SGX TCB component SVNs 01 to 16
    std::uint16_t pce_svn;
    ByteArray<16> cpu_svn;
    ByteArray<2> pce_id;
    ByteArray<6> fmspc;
    SgxType sgx_type;
    std::optional<ByteArray<16>> platform_instance_id;               ///< platform CA only
    std::optional<bool> dynamic_platform, cached_keys, smt_enabled;  ///< platform CA only
};

/// The extension of `certificate`; empty when it has none. Pairs may come in any order; a missing,
/// doubled, unknown or malformed one is Errc::chain_extension.
[[nodiscard]] Result<std::optional<PckExtension>> parse_pck_extension(
    const Certificate& certificate);

}  // namespace attestd
