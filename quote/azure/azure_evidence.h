// Evidence of an Azure confidential VM: the paravisor's blob, a quote of its vTPM, and for TDX a TD
// quote; and the JSON in which key brokers pass it around (`spec/kbs.md` section 5.4).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kNumPcrs = 24;

/// A quote over all PCRs of the SHA-256 bank, with the values that were quoted.
struct VtpmQuote {
    Bytes message;    ///< TPMS_ATTEST
    Bytes signature;  ///< RSA block, or TPMT_SIGNATURE
    std::array<Sha256, kNumPcrs> pcrs;
};

/// Which promise the evidence makes about `user-data` of the runtime data.
enum class UserDataRule : std::uint8_t {
    free,   ///< none: version 1 of the JSON, and evidence given in parts
    nonce,  ///< it is the quote's nonce, zero-padded, or what vtpm_nonce() makes that of: version 2
};

/// What a paravisor's vTPM is to sign for 64 bytes of report data, which are too much for it: it
/// refuses a nonce of more than 50 bytes, for SHA-384 is the longest hash that it knows. The first
/// 48 bytes when the others are zero (a digest, padded as key brokers do), else SHA-384 over
/// "attestd vtpm nonce v1", a zero byte and all 64. user-data of the runtime data holds all 64
/// bytes.
[[nodiscard]] Bytes vtpm_nonce(const ByteArray<64>& report_data);

struct AzureEvidence {
    Bytes hcl_blob;
    std::optional<VtpmQuote> vtpm_quote;
    Bytes td_quote;  ///< empty when there is none
    Bytes vcek;      ///< DER; a hint, as good as any other endorsement; empty when there is none
    UserDataRule user_data = UserDataRule::free;
};

/// Whether `text` is an object with the member "hcl_report": for recognising.
[[nodiscard]] bool looks_like_azure_evidence(std::string_view text);

/// Versions 1 and 2 of the JSON. `tpm_quote`, `vcek` and `td_quote` may be absent; nothing else may
/// be there. `name` is for errors, which say where and what was expected. Errc::unsupported_version
/// for the older version 0.
[[nodiscard]] Result<AzureEvidence> parse_azure_evidence(std::string_view text, std::string name);
[[nodiscard]] std::string write_azure_evidence(const AzureEvidence& evidence);

/// What the hardware's vendor endorses: the SNP report in the blob, or the TD quote beside it.
/// Empty when there is none.
[[nodiscard]] Bytes hardware_evidence_of(const AzureEvidence& evidence);

/// Whether `text` is an object with the members of a vTPM quote and no blob: for recognising.
[[nodiscard]] bool looks_like_vtpm_quote(std::string_view text);

/// A vTPM quote alone: {"message", "signature", "pcrs" or "pcrs_sha256"}, all hexadecimal.
[[nodiscard]] Result<VtpmQuote> parse_vtpm_quote(std::string_view text, std::string name);

}  // namespace attestd
