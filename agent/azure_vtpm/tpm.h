// Tpm: the few things that are asked of a paravisor's vTPM (`spec/snp.md` section 13).
//
// An interface, so that what is done in which order, and again, is tested without a TPM. The one in
// the product is EsysTpm.
#pragma once

#include <array>
#include <chrono>

#include "quote/azure/azure_evidence.h"
#include "quote/base/result.h"
#include "quote/base/secret.h"
#include "quote/platform/evidence.h"
#include "quote/platform/vtpm_key.h"

namespace attestd::vtpm {

inline constexpr std::uint32_t kBlobIndex = 0x01400001;  ///< NV: the paravisor's blob
inline constexpr std::uint32_t kDataIndex = 0x01400002;  ///< NV: what its user-data shall be
inline constexpr std::uint32_t kAttestationKey = 0x81000003;

using Pcrs = std::array<Sha256, kNumPcrs>;

class Tpm {
 public:
    virtual ~Tpm() = default;

    // All of these: Errc::timed_out when the TPM did not answer by its deadline, Errc::vtpm_failed
    // with the step, what the TPM said in words, and what mends it where that is known.

    /// The contents of kBlobIndex, all of the index's length.
    [[nodiscard]] virtual Result<Bytes> read_blob() = 0;

    /// Writes kDataIndex; makes the index where there is none of 64 bytes.
    [[nodiscard]] virtual Result<void> write_user_data(const ReportData& data) = 0;

    /// PCR 0 to 23 of the SHA-256 bank. Nothing keeps them from changing meanwhile.
    [[nodiscard]] virtual Result<Pcrs> read_pcrs() = 0;

    struct Signed {
        Bytes message;    ///< TPMS_ATTEST
        Bytes signature;  ///< the RSA block
    };
    /// A quote of PCR 0 to 23 by kAttestationKey with `nonce` (at most 50 bytes), as it is.
    [[nodiscard]] virtual Result<Signed> quote(ByteView nonce) = 0;

    /// 32 bytes that depend on this TPM's endorsement seed, on the request, and on what its PCRs
    /// hold now.
    [[nodiscard]] virtual Result<Secret> derive_key(const VtpmKeyRequest& request) = 0;
};

}  // namespace attestd::vtpm
