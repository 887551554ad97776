#include "agent/cli/html/byte_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "quote/amd/snp_report.h"
#include "quote/base/encoding.h"
#include "quote/intel/quote.h"
#include "quote/intel/tdreport.h"

namespace attestd::cli {
namespace {

using Field = std::pair<std::string_view, std::size_t>;
constexpr std::string_view kReserved = "reserved";
constexpr std::size_t kShownLen = 16;  // bytes of a range that the table shows

// Fields one after another.
class MapBuilder {
 public:
    void add(std::string_view name, std::size_t len, RangeGroup group) {
        if (len == 0) return;
        map.push_back({at_, len, std::string(name), group});
        at_ += len;
    }
    template <std::size_t N>
    void add_all(const std::array<Field, N>& fields, RangeGroup group) {
        for (const auto& [name, len] : fields) add(name, len, group);
    }
    [[nodiscard]] std::size_t at() const noexcept { return at_; }

    std::vector<ByteRange> map;

 private:
    std::size_t at_ = 0;
};

// spec/tdx.md section 3.1
constexpr auto kQuoteHeader = std::to_array<Field>({{"version", 2},
                                                    {"att_key_type", 2},
                                                    {"tee_type", 4},
                                                    {"qe_svn", 2},
                                                    {"pce_svn", 2},
                                                    {"qe_vendor_id", 16},
                                                    {"user_data", 20}});
// 3.2
constexpr auto kEnclaveReport = std::to_array<Field>({{"cpusvn", 16},
                                                      {"miscselect", 4},
                                                      {kReserved, 28},
                                                      {"attributes", 16},
                                                      {"mrenclave", 32},
                                                      {kReserved, 32},
                                                      {"mrsigner", 32},
                                                      {kReserved, 96},
                                                      {"isvprodid", 2},
                                                      {"isvsvn", 2},
                                                      {kReserved, 60},
                                                      {"report_data", 64}});
// 3.4: TD report 1.0, and what 1.5 and 1.5ex add
constexpr auto kTdReport10 = std::to_array<Field>({{"tee_tcb_svn", 16},
                                                   {"mrseam", 48},
                                                   {"mrsignerseam", 48},
                                                   {"seam_attributes", 8},
                                                   {"td_attributes", 8},
                                                   {"xfam", 8},
                                                   {"mrtd", 48},
                                                   {"mrconfigid", 48},
                                                   {"mrowner", 48},
                                                   {"mrownerconfig", 48},
                                                   {"rtmr0", 48},
                                                   {"rtmr1", 48},
                                                   {"rtmr2", 48},
                                                   {"rtmr3", 48},
                                                   {"report_data", 64}});
constexpr auto kTdReport15 = std::to_array<Field>({{"tee_tcb_svn2", 16}, {"mrservicetd", 48}});
constexpr auto kTdReport15ex = std::to_array<Field>({{"vm_id", 1},
                                                     {"td_id", 32},
                                                     {"devinfo", 48},
                                                     {"init_servtd_hash", 48},
                                                     {"init_servtd_attr", 8},
                                                     {"init_cpusvn", 16},
                                                     {"init_tee_tcb_svn", 16},
                                                     {"init_tee_fmspc", 12},
                                                     {"cur_servtd_hash", 48},
                                                     {"cur_servtd_attr", 8}});
// spec/snp.md section 1
constexpr auto kSnpHead = std::to_array<Field>({{"version", 4},
                                                {"guest_svn", 4},
                                                {"policy", 8},
                                                {"family_id", 16},
                                                {"image_id", 16},
                                                {"vmpl", 4},
                                                {"signature_algo", 4},
                                                {"current_tcb", 8},
                                                {"platform_info", 8},
                                                {"key_info", 4},
                                                {kReserved, 4}});
constexpr auto kSnpBody = std::to_array<Field>(
    {{"report_data", 64},   {"measurement", 48},       {"host_data", 32},
     {"id_key_digest", 48}, {"author_key_digest", 48}, {"report_id", 32},
     {"report_id_ma", 32},  {"reported_tcb", 8},       {"cpuid_family", 1},
     {"cpuid_model", 1},    {"cpuid_stepping", 1},     {kReserved, 21},
     {"chip_id", 64},       {"committed_tcb", 8},      {"current_version", 3},
     {kReserved, 1},        {"committed_version", 3},  {kReserved, 1},
     {"launch_tcb", 8},     {"launch_mit_vector", 8},  {"current_mit_vector", 8},
     {kReserved, 152}});
constexpr auto kSnpSignature =
    std::to_array<Field>({{"signature.r", 72}, {"signature.s", 72}, {kReserved, 368}});
// spec/tdx.md section 2
constexpr auto kTdReportMac = std::to_array<Field>({{"type", 1},
                                                    {"subtype", 1},
                                                    {"version", 1},
                                                    {kReserved, 13},
                                                    {"cpusvn", 16},
                                                    {"tee_tcb_info_hash", 48},
                                                    {"tee_info_hash", 48},
                                                    {"report_data", 64},
                                                    {kReserved, 32},
                                                    {"mac", 32}});
constexpr auto kTdInfo15ex = std::to_array<Field>(
    {{"td_id", 32}, {kReserved, 24}, {"vm_id", 1}, {kReserved, 3}, {"td_info_valid", 4}});
constexpr std::size_t kTcbInfoPart = 256, kTdInfoPart = 512;

void add_quote_body(MapBuilder& out, const ParsedQuote& quote) {
    if (quote.quote.header.version == 5) {
        out.add("body_descriptor.type", 2, RangeGroup::header);
        out.add("body_descriptor.size", 4, RangeGroup::header);
    }
    const auto* td = std::get_if<TdReport>(&quote.quote.body);
    if (td == nullptr) return out.add_all(kEnclaveReport, RangeGroup::body);
    out.add_all(kTdReport10, RangeGroup::body);
    if (td->mr_service_td) out.add_all(kTdReport15, RangeGroup::body);
    if (td->ex) out.add_all(kTdReport15ex, RangeGroup::body);
}

std::vector<ByteRange> quote_map(const ParsedQuote& quote, std::size_t total) {
    MapBuilder out;
    out.add_all(kQuoteHeader, RangeGroup::header);
    add_quote_body(out, quote);
    out.add("signature_data.length", 4, RangeGroup::signature);
    out.add("signature", quote.signature.size(), RangeGroup::signature);
    out.add("attestation_key", quote.attestation_key.size(), RangeGroup::signature);
    if (quote.quote.header.version != 3) {
        out.add("outer_certification_data.type", 2, RangeGroup::signature);
        out.add("outer_certification_data.length", 4, RangeGroup::signature);
    }
    for (const auto& [name, len] : kEnclaveReport) {
        out.add(name == kReserved ? std::string(name) : fmt::format("qe_report.{}", name), len,
                RangeGroup::enclave);
    }
    out.add("qe_report_signature", quote.qe_report_signature.size(), RangeGroup::enclave);
    out.add("qe_auth_data.length", 2, RangeGroup::enclave);
    out.add("qe_auth_data", quote.qe_auth_data.size(), RangeGroup::enclave);
    out.add("certification_data.type", 2, RangeGroup::certificates);
    out.add("certification_data.length", 4, RangeGroup::certificates);
    out.add("certification_data", quote.cert_data.size(), RangeGroup::certificates);
    out.add("padding", total - quote.consumed, RangeGroup::padding);
    return std::move(out.map);
}

std::vector<ByteRange> report_map(const SnpReport& report, std::size_t total) {
    MapBuilder out;
    out.add_all(kSnpHead, RangeGroup::header);
    for (const auto& [name, len] : kSnpBody) {
        const bool later = (name.starts_with("cpuid_") && !report.names_product()) ||
                           (name.ends_with("_mit_vector") && report.version < 5);
        out.add(later ? kReserved : name, len, RangeGroup::body);
    }
    out.add_all(kSnpSignature, RangeGroup::signature);
    out.add("certificate_table", total - out.at(), RangeGroup::certificates);
    return std::move(out.map);
}

std::vector<ByteRange> tdreport_map(const LocalTdReport& report) {
    MapBuilder out;
    out.add_all(kTdReportMac, RangeGroup::header);
    out.add("tcb_info_valid", 8, RangeGroup::enclave);
    out.add("tee_tcb_svn", 16, RangeGroup::enclave);
    out.add("mrseam", 48, RangeGroup::enclave);
    out.add("mrsignerseam", 48, RangeGroup::enclave);
    out.add("seam_attributes", 8, RangeGroup::enclave);
    out.add("tee_tcb_svn2", 16, RangeGroup::enclave);
    out.add(kReserved, kTdInfoPart - kTcbInfoPart - 144, RangeGroup::enclave);
    for (const auto& [name, len] : kTdReport10) {
        const bool is_td_info = name == "td_attributes" || name == "xfam" ||
                                name.starts_with("rtmr") ||
                                (name.starts_with("mr") && !name.ends_with("seam"));
        if (is_td_info) out.add(name, len, RangeGroup::body);
    }
    out.add("mrservicetd", 48, RangeGroup::body);
    if (report.td_info.valid != 0) out.add_all(kTdInfo15ex, RangeGroup::body);
    out.add(kReserved, kTdReportLen - out.at(), RangeGroup::body);
    return std::move(out.map);
}

Markup group_class(RangeGroup group) {
    switch (group) {
        case RangeGroup::header:
            return "g-header";
        case RangeGroup::body:
            return "g-body";
        case RangeGroup::signature:
            return "g-signature";
        case RangeGroup::enclave:
            return "g-enclave";
        case RangeGroup::certificates:
            return "g-certificates";
        case RangeGroup::padding:
            break;
    }
    return "g-padding";
}

Markup group_name(RangeGroup group, bool is_local) {
    switch (group) {
        case RangeGroup::header:
            return is_local ? Markup("header and MAC") : Markup("header");
        case RangeGroup::body:
            return "statements";
        case RangeGroup::signature:
            return "signature";
        case RangeGroup::enclave:
            return is_local ? Markup("TDX module") : Markup("quoting enclave");
        case RangeGroup::certificates:
            return "certificates";
        case RangeGroup::padding:
            break;
    }
    return "padding";
}

// Wide enough to be seen, else to scale: a strip of 1000 units.
void put_strip(Html& out, const std::vector<ByteRange>& map, std::size_t total) {
    out.put(
        "<svg class=\"strip\" viewBox=\"0 0 1000 40\" preserveAspectRatio=\"none\" role=\"img\" "
        "aria-label=\"The parts of the evidence, to scale\">");
    for (const ByteRange& range : map) {
        const std::size_t from = range.offset * 100000 / total;
        const std::size_t until = (range.offset + range.len) * 100000 / total;
        out.put("<rect class=\"")
            .put(group_class(range.group))
            .put("\" y=\"0\" height=\"40\" x=\"");
        out.text(fmt::format("{}.{:02}", from / 100, from % 100)).put("\" width=\"");
        const std::size_t width = until - from;
        out.text(fmt::format("{}.{:02}", width / 100, width % 100)).put("\"><title>");
        out.text(fmt::format("{}: {} bytes at {}", range.name, range.len, range.offset));
        out.put("</title></rect>");
    }
    out.put("</svg>");
}

void put_legend(Html& out, const std::vector<ByteRange>& map, bool is_local) {
    out.put("<ul class=\"legend\">");
    for (const auto group : {RangeGroup::header, RangeGroup::body, RangeGroup::signature,
                             RangeGroup::enclave, RangeGroup::certificates, RangeGroup::padding}) {
        std::size_t len = 0;
        for (const ByteRange& range : map) len += range.group == group ? range.len : 0;
        if (len == 0) continue;
        out.put(
            "<li><svg class=\"swatch\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect "
            "width=\"10\" "
            "height=\"10\" class=\"");
        out.put(group_class(group)).put("\"/></svg>").put(group_name(group, is_local));
        out.put(" <span class=\"muted\">").number(len).put(" bytes</span></li>");
    }
    out.put("</ul>");
}

void put_range(Html& out, const ByteRange& range, ByteView bytes) {
    const ByteView shown = bytes.subspan(range.offset, std::min(range.len, kShownLen));
    out.put("<tr><td class=\"num\">").text(fmt::format("0x{:04x}", range.offset));
    out.put("</td><td class=\"num dec\">").number(range.offset);
    out.put("</td><td class=\"num\">").number(range.len);
    out.put("</td><td class=\"name ").put(group_class(range.group)).put("\">").text(range.name);
    out.put("</td><td class=\"hex\">").text(to_hex(shown));
    if (range.len > kShownLen) out.put("&hellip;");
    out.put("</td></tr>");
}

}  // namespace

std::vector<ByteRange> byte_map_of(ByteView bytes) {
    if (looks_like_intel_quote(bytes)) {
        const auto quote = parse_intel_quote(bytes);
        return quote ? quote_map(*quote, bytes.size()) : std::vector<ByteRange>{};
    }
    if (bytes.size() == kTdReportLen) {
        if (const auto report = parse_tdreport(bytes)) return tdreport_map(*report);
    }
    if (!looks_like_snp_report(bytes)) return {};
    const auto report = parse_snp_report(bytes.first(std::min(bytes.size(), kSnpReportLen)));
    return report ? report_map(report->report, bytes.size()) : std::vector<ByteRange>{};
}

void put_byte_map(Html& out, const std::vector<ByteRange>& map, ByteView bytes) {
    if (map.empty()) return;
    const bool is_local = map.front().name == "type";
    out.put("<section id=\"bytes\"><h2>Byte map</h2><p class=\"lead\">Where each field lies, in ");
    out.number(bytes.size()).put(" bytes. Long fields are cut after 16 bytes.</p>");
    put_strip(out, map, bytes.size());
    put_legend(out, map, is_local);
    out.put(
        "<div class=\"scroll\"><table class=\"bytes\"><thead><tr><th scope=\"col\">offset</th>"
        "<th scope=\"col\" class=\"dec\">decimal</th><th scope=\"col\">length</th>"
        "<th scope=\"col\">field</th><th scope=\"col\">bytes</th></tr></thead><tbody>");
    for (const ByteRange& range : map) put_range(out, range, bytes);
    out.put("</tbody></table></div></section>");
}

}  // namespace attestd::cli
