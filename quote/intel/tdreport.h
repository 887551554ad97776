// TDREPORT: what the TDX module tells the guest about itself (`spec/tdx.md` section 2).
//
// Only the CPU that made it can check its MAC: for looking at, never evidence for anyone else.
#pragma once

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

inline constexpr std::size_t kTdReportLen = 1024;

struct TdReportMac {
    std::uint8_t type, subtype, version;
    ByteArray<16> cpu_svn;
    ByteArray<48> tee_tcb_info_hash, tee_info_hash;
    ByteArray<64> report_data;
    ByteArray<32> mac;
};

struct TdReportTcbInfo {
    std::uint64_t valid;
    ByteArray<16> tee_tcb_svn;
    ByteArray<48> mr_seam, mr_signer_seam;
    ByteArray<8> seam_attributes;
    ByteArray<16> tee_tcb_svn2;  ///< zero in TDX 1.0
};

struct TdReportInfo {
    ByteArray<8> td_attributes, xfam;
    ByteArray<48> mr_td, mr_config_id, mr_owner, mr_owner_config;
    std::array<ByteArray<48>, 4> rtmr;
    ByteArray<48> mr_service_td;  ///< zero when version is 0
    ByteArray<32> td_id;          ///< 1.5ex; else zero
    std::uint8_t vm_id;           ///< 1.5ex; else zero
    std::uint32_t valid;          ///< 1.5ex: bit 0 MRSERVICETD, 8 TD_ID, 9 VMID; else zero
};

struct LocalTdReport {
    TdReportMac mac;
    TdReportTcbInfo tcb_info;
    TdReportInfo td_info;
};

/// Parses exactly 1024 bytes and recomputes both hashes. Errc::bad_length, Errc::unsupported_type,
/// Errc::reserved_not_zero, Errc::bad_value.
[[nodiscard]] Result<LocalTdReport> parse_tdreport(ByteView bytes);

}  // namespace attestd
