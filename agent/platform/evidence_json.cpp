#include "agent/platform/evidence_json.h"

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"
#include "quote/base/json.h"

namespace attestd {
namespace {

constexpr JsonLimits kLimits{.max_len = std::size_t{4} << 20, .max_depth = 4};
constexpr std::size_t kMaxEndorsements = 64;

Result<Tee> tee_from(const JsonValue& value) {
    ATTESTD_TRY(const std::string name, value.text());
    if (name == tee_name(Tee::tdx)) return Tee::tdx;
    if (name == tee_name(Tee::snp)) return Tee::snp;
    return value.fail_here(Errc::bad_value, "\"tdx\" or \"snp\" is expected");
}

Result<Bytes> bytes_from(const JsonValue& value) {
    ATTESTD_TRY(const std::string text, value.text());
    return from_base64(text, value.where());
}

Result<std::vector<Bytes>> list_from(const JsonValue& value) {
    ATTESTD_TRY(const auto items, value.array(kMaxEndorsements));
    std::vector<Bytes> out;
    for (const JsonValue& item : items) {
        ATTESTD_TRY(Bytes bytes, bytes_from(item));
        out.push_back(std::move(bytes));
    }
    return out;
}

Result<std::string> text_member(JsonObject& object, std::string_view key) {
    ATTESTD_TRY(const JsonValue value, object.required(key));
    return value.text();
}

// The members that both forms have; `quote_key` names the one that they call differently.
Result<Evidence> common_members(JsonObject& object, std::string_view quote_key) {
    Evidence out{};
    ATTESTD_TRY(const JsonValue tee, object.required("tee"));
    ATTESTD_TRY(out.tee, tee_from(tee));
    ATTESTD_TRY(const JsonValue quote, object.required(quote_key));
    ATTESTD_TRY(out.quote, bytes_from(quote));
    if (const auto list = object.optional("endorsements")) {
        ATTESTD_TRY(out.endorsements, list_from(*list));
    }
    if (const auto log = object.optional("event_log")) {
        ATTESTD_TRY(out.event_log, bytes_from(*log));
    }
    if (const auto manifest = object.optional("service_manifest")) {
        if (out.tee != Tee::snp)
            return manifest->fail_here(Errc::bad_value, "an SVSM's manifest goes with \"snp\"");
        ATTESTD_TRY(out.service_manifest, bytes_from(*manifest));
    }
    return out;
}

// What came with the evidence proper.
void add_company(nlohmann::ordered_json& out, const Evidence& evidence) {
    out["endorsements"] = nlohmann::ordered_json::array();
    for (const Bytes& one : evidence.endorsements) out["endorsements"].push_back(to_base64(one));
    if (!evidence.event_log.empty()) out["event_log"] = to_base64(evidence.event_log);
    if (!evidence.service_manifest.empty())
        out["service_manifest"] = to_base64(evidence.service_manifest);
}

}  // namespace

Result<Evidence> parse_plug_in_evidence(std::string_view text, std::string name) {
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, std::move(name), kLimits));
    return parse_plug_in_evidence(document.root());
}

Result<Evidence> parse_plug_in_evidence(const JsonValue& value) {
    ATTESTD_TRY(JsonObject object, value.object());
    ATTESTD_TRY(Evidence out, common_members(object, "evidence"));
    ATTESTD_CHECK(object.finish());
    return out;
}

nlohmann::ordered_json plug_in_members(const Evidence& evidence) {
    nlohmann::ordered_json out;
    out["tee"] = tee_name(evidence.tee);
    out["evidence"] = to_base64(evidence.quote);
    add_company(out, evidence);
    return out;
}

std::string plug_in_json(const Evidence& evidence) { return plug_in_members(evidence).dump(); }

bool looks_like_evidence_document(std::string_view text) {
    const auto document = JsonDocument::parse(text, "", kLimits);
    if (!document) return false;
    auto object = document->root().object();
    return object && object->optional("tee") && object->optional("quote") &&
           object->optional("report_data");
}

Result<EvidenceDocument> parse_evidence_document(std::string_view text, std::string name) {
    ATTESTD_TRY(const JsonDocument document, JsonDocument::parse(text, std::move(name), kLimits));
    ATTESTD_TRY(JsonObject object, document.root().object());
    EvidenceDocument out{};
    ATTESTD_TRY(out.evidence, common_members(object, "quote"));
    ATTESTD_TRY(out.evidence.interface, text_member(object, "interface"));
    ATTESTD_TRY(out.workload, text_member(object, "workload"));
    ATTESTD_TRY(const JsonValue used, object.required("report_data"));
    ATTESTD_TRY(const std::string hex, used.text());
    ATTESTD_TRY(out.report_data, array_from_hex<sizeof(ReportData)>(hex, used.where()));
    ATTESTD_CHECK(object.finish());
    return out;
}

std::string to_json(const EvidenceDocument& document) {
    const Evidence& evidence = document.evidence;
    nlohmann::ordered_json out;
    out["tee"] = tee_name(evidence.tee);
    out["interface"] = evidence.interface;
    out["workload"] = document.workload;
    out["report_data"] = to_hex(document.report_data);
    out["quote"] = to_base64(evidence.quote);
    add_company(out, evidence);
    return out.dump();
}

}  // namespace attestd
