#include "agent/cli/inspection_azure.h"

#include <fmt/format.h>

#include "quote/amd/service_manifest.h"
#include "quote/azure/azure_evidence.h"
#include "quote/azure/hcl_blob.h"
#include "quote/azure/runtime_data.h"
#include "quote/azure/tpm_quote.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "verifier/claims_json.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kSnpReportDataAt = 0x50, kTdReportDataAt = 0x80;

// A part shown within a whole; what is damaged is shown as damaged, beside the rest.
Json part_json(const Result<Inspection>& part) {
    if (!part) return {{"error", to_string(part.error())}};
    Json out{{"format", part->format}, {"fields", part->fields}};
    out.update(part->more);
    return out;
}

void put_header(Json& out, const HclBlob& blob) {
    out["hcl_version"] = blob.version;
    out["report_size"] = blob.report_size;
    out["request_type"] = blob.request_type;
    out["status"] = 0;  // the parser takes no other
    out["data_size"] = blob.data_size;
    out["data_version"] = blob.data_version;
    out["report_type"] = static_cast<std::uint32_t>(blob.report_type);
    out["hash_type"] = static_cast<std::uint32_t>(blob.hash);
    out["variable_data_size"] = blob.runtime_data.size();
    out["var_data_sha256"] = to_hex(sha256(blob.runtime_data));
}

Result<Inspection> inspect_quote_parts(const VtpmQuote& given) {
    ATTESTD_TRY(const TpmQuote quote, parse_tpm_quote(given.message));
    Inspection out{"tpm-quote", Json::object(), Json::object()};
    Json& fields = out.fields;
    fields["nonce"] = to_hex(quote.extra_data);
    fields["qualified_signer"] = to_hex(quote.qualified_signer);
    fields["clock"] = quote.clock;
    fields["reset_count"] = quote.reset_count;
    fields["restart_count"] = quote.restart_count;
    fields["clock_safe"] = quote.clock_safe;
    fields["firmware_version"] = fmt::format("0x{:x}", quote.firmware_version);
    fields["pcr_selection"] = Json::array();
    for (const PcrSelection& bank : quote.selections) {
        fields["pcr_selection"].push_back(
            {{"hash", fmt::format("0x{:04x}", bank.hash)}, {"mask", to_hex(bank.mask)}});
    }
    fields["pcr_digest"] = to_hex(quote.pcr_digest);
    fields["pcrs"] = pcrs_json(given.pcrs);
    out.more["signature"] = to_hex(given.signature);
    return out;
}

}  // namespace

Result<Inspection> inspect_hcl_blob(ByteView bytes, const Endorsements& given) {
    ATTESTD_TRY(const HclBlob blob, parse_hcl_blob(bytes));
    Inspection out{"hcl-blob", Json::object(), Json::object()};
    put_header(out.fields, blob);
    const std::size_t at =
        blob.report_type == HclReportType::snp ? kSnpReportDataAt : kTdReportDataAt;
    out.fields["binding_ok"] =
        equal(blob.hardware_report.subspan(at, 64), blob.bound_report_data());
    const auto runtime = parse_runtime_data(blob.runtime_data);
    if (runtime)
        out.fields.update(fields_of(*runtime));
    else
        out.more["runtime_data"] = {{"error", to_string(runtime.error())}};
    out.more["hardware_report"] = part_json(inspect_bytes(blob.hardware_report, given));
    out.more["padding"] = blob.padding;
    return out;
}

Result<Inspection> inspect_azure_evidence(std::string_view text, const Endorsements& given) {
    ATTESTD_TRY(const AzureEvidence evidence, parse_azure_evidence(text, "evidence"));
    Inspection out{"azure-evidence", Json::object(), Json::object()};
    out.fields["version"] = evidence.user_data == UserDataRule::nonce ? 2 : 1;
    out.more["hcl_report"] = part_json(inspect_hcl_blob(evidence.hcl_blob, given));
    if (evidence.vtpm_quote)
        out.more["tpm_quote"] = part_json(inspect_quote_parts(*evidence.vtpm_quote));
    if (!evidence.vcek.empty()) out.more["vcek"] = part_json(inspect_bytes(evidence.vcek, given));
    if (!evidence.td_quote.empty())
        out.more["td_quote"] = part_json(inspect_bytes(evidence.td_quote, given));
    return out;
}

Result<Inspection> inspect_vtpm_quote(std::string_view text) {
    ATTESTD_TRY(const VtpmQuote quote, parse_vtpm_quote(text, "quote"));
    return inspect_quote_parts(quote);
}

Result<Inspection> inspect_service_manifest(ByteView bytes) {
    ATTESTD_TRY(const auto services, parse_service_manifest(bytes));
    Inspection out{"svsm-service-manifest", Json::object(), Json::object()};
    out.fields["services"] = Json::array();
    for (const SvsmService& service : services) {
        Json item{{"guid", service.guid}};
        if (!service.name().empty()) item["name"] = service.name();
        item["length"] = service.data.size();
        item["data"] = to_hex(service.data);
        out.fields["services"].push_back(std::move(item));
    }
    return out;
}

}  // namespace attestd::cli
