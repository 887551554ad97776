#include "quote/intel/tdreport.h"

#include <fmt/format.h>

#include "quote/base/digest.h"
#include "quote/base/reader.h"

namespace attestd {
namespace {

constexpr std::uint8_t kTypeTdx = 0x81;
constexpr std::size_t kTcbInfoAt = 256, kTcbInfoLen = 239;
constexpr std::size_t kTdInfoAt = 512, kTdInfoLen = 512;

Result<TdReportMac> parse_mac(Reader in) {
    TdReportMac m{};
    ATTESTD_TRY(m.type, in.u8("reporttype.type"));
    if (m.type != kTypeTdx) {
        return fail(Errc::unsupported_type,
                    fmt::format("reporttype.type at byte 0: 0x{:02x}, must be 0x81", m.type));
    }
    ATTESTD_TRY(m.subtype, in.u8("reporttype.subtype"));
    ATTESTD_TRY(m.version, in.u8("reporttype.version"));
    if (m.subtype != 0 || m.version > 1) {
        return fail(
            Errc::unsupported_version,
            fmt::format("reporttype at byte 1: subtype {} version {}", m.subtype, m.version));
    }
    ATTESTD_CHECK(in.zeros(13, "reportmacstruct.reserved"));
    ATTESTD_TRY(m.cpu_svn, in.array<16>("cpusvn"));
    ATTESTD_TRY(m.tee_tcb_info_hash, in.array<48>("tee_tcb_info_hash"));
    ATTESTD_TRY(m.tee_info_hash, in.array<48>("tee_info_hash"));
    ATTESTD_TRY(m.report_data, in.array<64>("reportdata"));
    ATTESTD_CHECK(in.zeros(32, "reportmacstruct.reserved"));
    ATTESTD_TRY(m.mac, in.array<32>("mac"));
    return m;
}

Result<TdReportTcbInfo> parse_tcb_info(Reader in) {
    TdReportTcbInfo t{};
    ATTESTD_TRY(t.valid, in.u64le("tee_tcb_info.valid"));
    ATTESTD_TRY(t.tee_tcb_svn, in.array<16>("tee_tcb_svn"));
    ATTESTD_TRY(t.mr_seam, in.array<48>("mrseam"));
    ATTESTD_TRY(t.mr_signer_seam, in.array<48>("mrsignerseam"));
    ATTESTD_TRY(t.seam_attributes, in.array<8>("seam_attributes"));
    ATTESTD_TRY(t.tee_tcb_svn2, in.array<16>("tee_tcb_svn2"));
    ATTESTD_CHECK(in.zeros(95, "tee_tcb_info.reserved"));
    return t;
}

Result<TdReportInfo> parse_td_info(Reader in) {
    TdReportInfo t{};
    ATTESTD_TRY(t.td_attributes, in.array<8>("td_attributes"));
    ATTESTD_TRY(t.xfam, in.array<8>("xfam"));
    ATTESTD_TRY(t.mr_td, in.array<48>("mrtd"));
    ATTESTD_TRY(t.mr_config_id, in.array<48>("mrconfigid"));
    ATTESTD_TRY(t.mr_owner, in.array<48>("mrowner"));
    ATTESTD_TRY(t.mr_owner_config, in.array<48>("mrownerconfig"));
    for (auto& rtmr : t.rtmr) {
        ATTESTD_TRY(rtmr, in.array<48>("rtmr"));
    }
    ATTESTD_TRY(t.mr_service_td, in.array<48>("mrservicetd"));
    ATTESTD_TRY(t.td_id, in.array<32>("td_id"));
    ATTESTD_CHECK(in.zeros(24, "tdinfo.reserved"));
    ATTESTD_TRY(t.vm_id, in.u8("vmid"));
    ATTESTD_CHECK(in.zeros(3, "tdinfo.reserved"));
    ATTESTD_TRY(t.valid, in.u32le("tdinfo.valid"));
    return t;
}

}  // namespace

Result<LocalTdReport> parse_tdreport(ByteView bytes) {
    if (bytes.size() != kTdReportLen) {
        return fail(Errc::bad_length,
                    fmt::format("TDREPORT: {} bytes, must be {}", bytes.size(), kTdReportLen));
    }
    const ByteView tcb_info = bytes.subspan(kTcbInfoAt, kTcbInfoLen);
    const ByteView td_info = bytes.subspan(kTdInfoAt, kTdInfoLen);
    LocalTdReport out{};
    ATTESTD_TRY(out.mac, parse_mac(Reader(bytes.first(kTcbInfoAt))));
    ATTESTD_TRY(out.tcb_info, parse_tcb_info(Reader(tcb_info, kTcbInfoAt)));
    Reader gap(bytes.subspan(kTcbInfoAt + kTcbInfoLen, kTdInfoAt - kTcbInfoAt - kTcbInfoLen),
               kTcbInfoAt + kTcbInfoLen);
    ATTESTD_CHECK(gap.zeros(gap.remaining(), "reserved"));
    ATTESTD_TRY(out.td_info, parse_td_info(Reader(td_info, kTdInfoAt)));
    if (out.mac.version == 0 && !all_zero(out.td_info.mr_service_td)) {
        return fail(Errc::reserved_not_zero, "mrservicetd at byte 912: must be zero in version 0");
    }
    if (sha384(tcb_info) != out.mac.tee_tcb_info_hash) {
        return fail(Errc::bad_value,
                    "tee_tcb_info_hash at byte 32: is not the SHA-384 of bytes 256 to 494");
    }
    if (sha384(td_info) != out.mac.tee_info_hash) {
        return fail(Errc::bad_value,
                    "tee_info_hash at byte 80: is not the SHA-384 of bytes 512 to 1023");
    }
    return out;
}

}  // namespace attestd
