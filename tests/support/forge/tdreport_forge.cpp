#include "tests/support/forge/tdreport_forge.h"

#include <algorithm>

#include "quote/base/digest.h"
#include "tests/support/forge/writer.h"

namespace attestd::forge {
namespace {

constexpr std::size_t kMacStructLen = 256, kTcbInfoLen = 239, kTdInfoLen = 512;
constexpr std::uint64_t kValid15 = 0x301ff;

Bytes padded(Bytes bytes, std::size_t len) {
    bytes.resize(len);
    return bytes;
}

Bytes tcb_info(const TdBody& body) {
    Writer out;
    out.u64(kValid15).bytes(body.tee_tcb_svn).bytes(body.mrseam).bytes(body.mrsignerseam);
    out.u64(body.seam_attributes).bytes(body.tee_tcb_svn2);
    return padded(std::move(out).take(), kTcbInfoLen);
}

Bytes td_info(const TdBody& body) {
    Writer out;
    out.u64(body.td_attributes).u64(body.xfam).bytes(body.mrtd).bytes(body.mrconfigid);
    out.bytes(body.mrowner).bytes(body.mrownerconfig);
    for (const auto& rtmr : body.rtmr) out.bytes(rtmr);
    out.bytes(body.mrservicetd);
    return padded(std::move(out).take(), kTdInfoLen);
}

}  // namespace

Bytes tdreport(const TdBody& body, const ByteArray<64>& report_data) {
    const Bytes tcb = tcb_info(body), info = td_info(body);
    const Bytes type{0x81, 0, 1, 0};  // TDX, layout with MRSERVICETD
    Writer mac;
    mac.bytes(padded(type, 16)).bytes(ByteArray<16>{3, 3, 2, 2, 4, 1, 0, 5});
    mac.bytes(sha384(ByteView(tcb))).bytes(sha384(ByteView(info))).bytes(report_data);
    mac.bytes(Bytes(32)).bytes(sha256(ByteView(info)));
    const Bytes head = padded(std::move(mac).take(), kMacStructLen);
    return concat({head, padded(tcb, kMacStructLen), info});
}

}  // namespace attestd::forge
