#include "agent/evidence.h"

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

ByteArray<4> be32(std::size_t n) noexcept {
    const auto v = static_cast<std::uint32_t>(n);
    return {static_cast<std::uint8_t>(v >> 24), static_cast<std::uint8_t>(v >> 16),
            static_cast<std::uint8_t>(v >> 8), static_cast<std::uint8_t>(v)};
}

Result<Bytes> decoded(const JsonValue& value,
                      Result<Bytes> (*decode)(std::string_view, std::string_view)) {
    ATTESTD_TRY(const std::string text, value.text());
    ATTESTD_TRY(Bytes bytes, decode(text, value.path()));
    if (bytes.size() <= sizeof(ReportData)) return bytes;
    return value.fail_here(Errc::bad_request,
                           "at most 64 bytes of report data are taken; send a digest");
}

}  // namespace

ReportData workload_report_data(std::string_view workload_id, ByteView data) {
    constexpr std::string_view kLabel("attestd workload evidence v1\0", 29);
    const auto id_len = be32(workload_id.size());
    const auto data_len = be32(data.size());
    return sha512({as_bytes(kLabel), id_len, as_bytes(workload_id), data_len, data});
}

Result<EvidenceRequest> parse_evidence_request(ByteView body) {
    constexpr JsonLimits kLimits{4096, /*max_depth=*/2};
    EvidenceRequest out;
    ATTESTD_TRY(const auto document, JsonDocument::parse(as_text(body), "request", kLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    const auto hex = in.optional("report_data");
    const auto base64 = in.optional("report_data_b64");
    if (hex.has_value() == base64.has_value()) {
        return fail(Errc::bad_request, "give either report_data (hex) or report_data_b64");
    }
    if (hex) {
        ATTESTD_TRY(out.data, decoded(*hex, from_hex));
    } else {
        ATTESTD_TRY(out.data, decoded(*base64, from_base64));
    }
    if (const auto raw = in.optional("raw")) {
        ATTESTD_TRY(out.raw, raw->boolean());
    }
    ATTESTD_CHECK(in.finish());
    return out;
}

}  // namespace attestd
