#include "quote/intel/quote_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "quote/base/reader.h"
#include "quote/intel/quote.h"

namespace attestd {
namespace {

constexpr std::uint16_t kServiceMajor = 1, kServiceMinor = 1;
constexpr std::uint32_t kGetQuoteRequest = 0, kGetQuoteAnswer = 1;
constexpr std::size_t kServiceHeadLen = 16, kServiceRequestLen = kServiceHeadLen + 8 + kTdReportLen;
constexpr std::uint32_t kFirstServiceError = 0x12001;
constexpr std::array<const char*, 7> kServiceErrors{
    "unexpected", "out of memory", "invalid parameter", "unsupported version",
    "wrong type", "wrong size",    "wrong code"};

tl::unexpected<Error> fail_service(std::string detail) {
    return fail(Errc::quote_service, "the quote service's answer: " + std::move(detail));
}

void put16(Bytes& out, std::uint16_t value) {
    for (unsigned shift = 0; shift < 16; shift += 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift & 0xff));
}

void put32(Bytes& out, std::uint32_t value) {
    for (unsigned shift = 0; shift < 32; shift += 8)
        out.push_back(static_cast<std::uint8_t>(value >> shift & 0xff));
}

std::string service_error(std::uint32_t code) {
    const bool known =
        code >= kFirstServiceError && code - kFirstServiceError < kServiceErrors.size();
    return fmt::format("error {:#x} ({}); ask the host's operator", code,
                       known ? kServiceErrors[code - kFirstServiceError] : "not known");
}

// Reads as the format says; every error here becomes the service's.
Result<Bytes> read_answer(Reader& in, std::size_t message_len) {
    ATTESTD_TRY(const std::uint16_t major, in.u16le("major"));
    ATTESTD_CHECK(in.u16le("minor"));  // any: they are compatible
    ATTESTD_TRY(const std::uint32_t type, in.u32le("type"));
    ATTESTD_TRY(const std::uint32_t size, in.u32le("size"));
    ATTESTD_TRY(const std::uint32_t error, in.u32le("error code"));
    if (major != kServiceMajor) return fail_service(fmt::format("version {} is not known", major));
    if (size != message_len)
        return fail_service(fmt::format("it says {} bytes and has {}", size, message_len));
    if (error != 0) return fail_service(service_error(error));
    if (type != kGetQuoteAnswer)
        return fail_service(fmt::format("type {}, and not that of a quote", type));
    ATTESTD_TRY(const std::uint32_t id_len, in.u32le("selected id size"));
    ATTESTD_TRY(const std::uint32_t quote_len, in.u32le("quote size"));
    if (std::uint64_t{id_len} + quote_len != in.remaining())
        return fail_service(fmt::format("an id of {} and a quote of {} bytes in {}", id_len,
                                        quote_len, in.remaining()));
    ATTESTD_CHECK(in.bytes(id_len, "selected id"));
    ATTESTD_TRY(const ByteView quote, in.bytes(quote_len, "quote"));
    return to_bytes(quote);
}

/// The first field in which the two differ; empty when there is none.
std::string_view difference(const LocalTdReport& local, const TdReport& quoted) {
    const auto& tcb = local.tcb_info;
    const auto& info = local.td_info;
    if (tcb.tee_tcb_svn != quoted.tee_tcb_svn) return "tee_tcb_svn";
    if (tcb.mr_seam != quoted.mr_seam) return "mrseam";
    if (tcb.mr_signer_seam != quoted.mr_signer_seam) return "mrsignerseam";
    if (tcb.seam_attributes != quoted.seam_attributes) return "seam_attributes";
    if (info.td_attributes != quoted.td_attributes) return "td_attributes";
    if (info.xfam != quoted.xfam) return "xfam";
    if (info.mr_td != quoted.mr_td) return "mrtd";
    if (info.mr_config_id != quoted.mr_config_id) return "mrconfigid";
    if (info.mr_owner != quoted.mr_owner) return "mrowner";
    if (info.mr_owner_config != quoted.mr_owner_config) return "mrownerconfig";
    if (info.rtmr[0] != quoted.rtmr[0]) return "rtmr0";
    if (info.rtmr[1] != quoted.rtmr[1]) return "rtmr1";
    if (info.rtmr[2] != quoted.rtmr[2]) return "rtmr2";
    if (info.rtmr[3] != quoted.rtmr[3]) return "rtmr3";
    // A body of TDX 1.0 has neither of these.
    if (quoted.tee_tcb_svn2 && tcb.tee_tcb_svn2 != *quoted.tee_tcb_svn2) return "tee_tcb_svn2";
    if (quoted.mr_service_td && info.mr_service_td != *quoted.mr_service_td) return "mrservicetd";
    return {};
}

}  // namespace

Bytes quote_request(const ByteArray<kTdReportLen>& tdreport) {
    Bytes out;
    out.reserve(kServiceRequestLen);
    put16(out, kServiceMajor);
    put16(out, kServiceMinor);
    put32(out, kGetQuoteRequest);
    put32(out, kServiceRequestLen);
    put32(out, 0);
    put32(out, kTdReportLen);
    put32(out, 0);  // no list of attestation keys: the service's own choice
    out.insert(out.end(), tdreport.begin(), tdreport.end());
    return out;
}

Result<Bytes> parse_quote_answer(ByteView message) {
    if (message.size() > kMaxQuoteServiceLen)
        return fail_service(fmt::format("{} bytes are too many", message.size()));
    Reader in(message);
    auto quote = read_answer(in, message.size());
    if (quote || quote.error().code == Errc::quote_service) return quote;
    return fail_service(quote.error().detail);
}

Result<QuoteOfReport> QuoteOfReport::match(ByteView tdreport, Bytes quote) {
    ATTESTD_TRY(const LocalTdReport local, parse_tdreport(tdreport));
    const auto parsed = parse_intel_quote(quote);
    if (!parsed) return fail_service("no TDX quote: " + parsed.error().detail);
    if (!parsed->quote.is_tdx()) return fail_service("an SGX quote in place of a TDX one");
    if (parsed->quote.report_data() != local.mac.report_data)
        return fail(Errc::platform_wrong_echo, "the quote service's quote has other report data");
    const auto other = difference(local, std::get<TdReport>(parsed->quote.body));
    if (!other.empty())
        return fail_service(
            fmt::format("a quote of another machine or state: its {} is not the "
                        "TDREPORT's",
                        other));
    return QuoteOfReport(std::move(quote));
}

}  // namespace attestd
