#include "agent/azure_vtpm/protocol.h"

#include <openssl/evp.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd::vtpm {
namespace {

constexpr JsonLimits kRequestLimits{4096, 3};
constexpr std::size_t kNumPcrs = 24;
constexpr std::size_t kKeyLen = 32, kKeyTextLen = 44;
constexpr std::string_view kKeyHead = R"({"key": ")", kKeyTail = R"("})";

Result<std::uint32_t> pcrs_from(const JsonValue& value) {
    ATTESTD_TRY(const auto elements, value.array(kNumPcrs));
    std::uint32_t mask = 0;
    for (const JsonValue& element : elements) {
        ATTESTD_TRY(const std::int64_t pcr, element.integer(0, kNumPcrs - 1));
        mask |= 1U << static_cast<unsigned>(pcr);
    }
    if (mask == 0) return value.fail_here(Errc::bad_request, "one PCR at least is expected");
    return mask;
}

}  // namespace

Result<ReportData> parse_evidence_request(std::string_view body) {
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(body, "request", kRequestLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    ATTESTD_TRY(const JsonValue value, in.required("report_data"));
    ATTESTD_TRY(const std::string hex, value.text());
    ATTESTD_CHECK(in.finish());
    return array_from_hex<sizeof(ReportData)>(hex, value.where());
}

Result<VtpmKeyRequest> parse_key_request(std::string_view body) {
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(body, "request", kRequestLimits));
    ATTESTD_TRY(JsonObject in, document.root().object());
    if (in.optional("guest_field_select")) {
        return fail(Errc::platform_unsupported,
                    "a guest under a paravisor has no keys of the SNP firmware; its vTPM's are for "
                    "a slot of the kind vtpm");
    }
    VtpmKeyRequest out;
    ATTESTD_TRY(const JsonValue pcrs, in.required("pcrs"));
    ATTESTD_TRY(out.pcrs, pcrs_from(pcrs));
    ATTESTD_TRY(const JsonValue context, in.required("context"));
    ATTESTD_TRY(const std::string hex, context.text());
    ATTESTD_TRY(out.context, array_from_hex<32>(hex, context.where()));
    ATTESTD_CHECK(in.finish());
    return out;
}

Result<Secret> key_answer(const Secret& key) {
    if (key.size() != kKeyLen) return fail(Errc::internal, "a derived key of another length");
    // The encoder writes a NUL behind its text; the tail is put over it.
    ATTESTD_TRY(Secret out, Secret::zeroed(kKeyHead.size() + kKeyTextLen + kKeyTail.size()));
    out.fill([&](std::span<std::uint8_t> to) {
        std::copy(kKeyHead.begin(), kKeyHead.end(), to.begin());
        const auto text = to.subspan(kKeyHead.size());
        key.expose([&](ByteView bytes) {
            EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
        });
        std::copy(kKeyTail.begin(), kKeyTail.end(), text.subspan(kKeyTextLen).begin());
    });
    return out;
}

unsigned status_of(Errc code) noexcept {
    switch (code) {
        case Errc::not_found:
            return 404;
        case Errc::platform_unsupported:
            return 501;
        case Errc::timed_out:
            return 504;
        case Errc::bad_request:
        case Errc::bad_json:
        case Errc::bad_value:
        case Errc::bad_encoding:
        case Errc::missing_key:
        case Errc::unknown_key:
        case Errc::duplicate_key:
        case Errc::wrong_type:
        case Errc::too_large:
        case Errc::protocol:
            return 400;
        default:
            return 502;
    }
}

std::string problem_answer(const Error& error) {
    nlohmann::ordered_json out;
    out["type"] = "about:blank";
    out["title"] = errc_meaning(error.code);
    out["status"] = status_of(error.code);
    out["code"] = errc_name(error.code);
    out["detail"] = error.detail;
    return out.dump(-1, ' ', /*ensure_ascii=*/true,
                    nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace attestd::vtpm
