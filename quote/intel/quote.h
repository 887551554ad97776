// Intel quotes: SGX and TDX evidence, versions 3, 4 and 5 (`spec/tdx.md` section 3).
//
// Parsing checks structure alone: sizes, versions, types, padding. Nothing is believed yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "quote/base/bytes.h"
#include "quote/base/reader.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kMaxQuoteLen = 65536;
inline constexpr std::size_t kMaxPckChainLen = 16384;
inline constexpr std::uint32_t kTeeTypeSgx = 0x00;
inline constexpr std::uint32_t kTeeTypeTdx = 0x81;
inline constexpr std::uint16_t kAttKeyEcdsaP256 = 2;
inline constexpr std::uint16_t kCertDataPckChain = 5;

/// Header, 48 bytes (3.1).
struct QuoteHeader {
    std::uint16_t version;
    std::uint16_t att_key_type;
    std::uint32_t tee_type;
    std::uint16_t qe_svn;
    std::uint16_t pce_svn;
    ByteArray<16> qe_vendor_id;
    ByteArray<20> user_data;
};

/// SGX enclave report, 384 bytes (3.2); also the quoting enclave's own.
struct EnclaveReport {
    ByteArray<16> cpu_svn;
    std::uint32_t misc_select;
    ByteArray<16> attributes;  ///< flags (8), XFRM (8)
    ByteArray<32> mr_enclave;
    ByteArray<32> mr_signer;
    std::uint16_t isv_prod_id;
    std::uint16_t isv_svn;
    ByteArray<64> report_data;

    [[nodiscard]] bool debug() const noexcept { return (attributes[0] & 0x02) != 0; }
};

/// What TD report 1.5ex adds to 1.5.
struct TdReportEx {
    std::uint8_t vm_id;
    ByteArray<32> td_id;
    ByteArray<48> dev_info;
    ByteArray<48> init_servtd_hash;
    ByteArray<8> init_servtd_attr;
    ByteArray<16> init_cpu_svn;
    ByteArray<16> init_tee_tcb_svn;
    ByteArray<12> init_tee_fmspc;
    ByteArray<48> cur_servtd_hash;
    ByteArray<8> cur_servtd_attr;
};

/// TD report body: 1.0 (584 bytes), 1.5 (648) or 1.5ex (885). Bytes are in memory order.
struct TdReport {
    ByteArray<16> tee_tcb_svn;
    ByteArray<48> mr_seam;
    ByteArray<48> mr_signer_seam;
    ByteArray<8> seam_attributes;
    ByteArray<8> td_attributes;
    ByteArray<8> xfam;
    ByteArray<48> mr_td;
    ByteArray<48> mr_config_id;
    ByteArray<48> mr_owner;
    ByteArray<48> mr_owner_config;
    std::array<ByteArray<48>, 4> rtmr;
    ByteArray<64> report_data;
    std::optional<ByteArray<16>> tee_tcb_svn2;   ///< 1.5
    std::optional<ByteArray<48>> mr_service_td;  ///< 1.5
    std::optional<TdReportEx> ex;                ///< 1.5ex
};

/// The statements of a quote: what its signature covers.
struct IntelQuote {
    QuoteHeader header;
    std::variant<EnclaveReport, TdReport> body;

    [[nodiscard]] bool is_tdx() const noexcept { return std::holds_alternative<TdReport>(body); }
    [[nodiscard]] const ByteArray<64>& report_data() const noexcept;
    /// "tdx-quote-v4", "sgx-quote-v3", ...
    [[nodiscard]] std::string format() const;
};

/// A quote and the ranges of the input that its verification needs.
struct ParsedQuote {
    IntelQuote quote;
    ByteView signed_part;      ///< header and body, with version 5's descriptor
    ByteView signature;        ///< 64 bytes, r then s
    ByteView attestation_key;  ///< 64 bytes, X then Y
    EnclaveReport qe_report;
    ByteView qe_report_bytes;      ///< 384 bytes
    ByteView qe_report_signature;  ///< 64 bytes
    ByteView qe_auth_data;
    std::uint16_t cert_data_type;  ///< 1 to 5; 5 is a PCK chain in PEM
    ByteView cert_data;
    ByteView platform_part;  ///< attestation key to the end of the certification data
    std::size_t consumed;    ///< bytes of the quote; zero padding may follow

    /// The PCK chain's text without the NUL that may close it; empty unless cert_data_type is 5.
    [[nodiscard]] std::string_view pck_chain() const noexcept;
};

/// Parses a quote; views point into `bytes`. Zero bytes may follow the quote, others may not. Every
/// error names the field and its offset.
[[nodiscard]] Result<ParsedQuote> parse_intel_quote(ByteView bytes);

/// Whether the bytes begin like a quote (version, key type and TEE type that exist): for
/// recognising.
[[nodiscard]] bool looks_like_intel_quote(ByteView bytes) noexcept;

/// Takes an enclave report (384 bytes).
[[nodiscard]] Result<EnclaveReport> parse_enclave_report(Reader& in, std::string_view what);

}  // namespace attestd
