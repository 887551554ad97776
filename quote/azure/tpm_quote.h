// A quote of a TPM 2.0: TPMS_ATTEST and TPMT_SIGNATURE (TCG TPM 2.0 Library, part 2, sections
// 10.12 and 11.3). Integers are big-endian.
//
// Parsing checks structure alone. Nothing is believed yet.
#pragma once

#include <cstdint>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kMaxTpmAttestLen = 1024;
inline constexpr std::uint16_t kTpmAlgSha256 = 0x000b;

/// One bank of TPML_PCR_SELECTION.
struct PcrSelection {
    std::uint16_t hash;  ///< TPM_ALG_ID
    ByteView mask;       ///< PCR n is bit n % 8 of byte n / 8
    friend bool operator==(const PcrSelection& a, const PcrSelection& b) noexcept {
        return a.hash == b.hash && equal(a.mask, b.mask);
    }
};

/// TPMS_ATTEST of type quote.
struct TpmQuote {
    ByteView qualified_signer;  ///< name of the signing key
    ByteView extra_data;        ///< what the caller asked to have signed: the nonce
    std::uint64_t clock;        ///< milliseconds
    std::uint32_t reset_count, restart_count;
    bool clock_safe;
    std::uint64_t firmware_version;
    std::vector<PcrSelection> selections;
    ByteView pcr_digest;
};

/// Parses a whole TPMS_ATTEST; views point into `bytes`. Errc::bad_value when its magic is not that
/// of a TPM, Errc::unsupported_type when it is no quote, and the errors of Reader.
[[nodiscard]] Result<TpmQuote> parse_tpm_quote(ByteView bytes);

/// The RSA block of a signature, given bare (256 to 512 bytes) or as a TPMT_SIGNATURE of RSASSA
/// with SHA-256, which is told by its length. Errc::unsupported_type for another algorithm,
/// Errc::bad_length.
[[nodiscard]] Result<ByteView> parse_tpm_signature(ByteView bytes);

}  // namespace attestd
