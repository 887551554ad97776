#include "agent/cli/inspection.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/cli/inspection_azure.h"
#include "quote/amd/cert_table.h"
#include "quote/amd/leaf_extension.h"
#include "quote/amd/service_manifest.h"
#include "quote/amd/snp_report.h"
#include "quote/azure/azure_evidence.h"
#include "quote/azure/hcl_blob.h"
#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "quote/base/time.h"
#include "quote/boot/event_log.h"
#include "quote/boot/event_text.h"
#include "quote/intel/pck_extension.h"
#include "quote/intel/quote.h"
#include "quote/intel/tdreport.h"
#include "quote/x509/certificate.h"
#include "quote/x509/crl.h"
#include "quote/x509/pem.h"
#include "verifier/amd/report_verification.h"
#include "verifier/claims_json.h"
#include "verifier/intel/enclave_identity.h"
#include "verifier/intel/tcb_info.h"
#include "verifier/signed_json.h"

namespace attestd::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string name_text(const DistinguishedName& name) {
    std::string out;
    const auto part = [&](std::string_view key, std::string_view value) {
        if (!value.empty()) out += fmt::format("{}{}={}", out.empty() ? "" : ", ", key, value);
    };
    part("CN", name.common_name);
    part("OU", name.organizational_unit);
    part("O", name.organization);
    part("L", name.locality);
    part("ST", name.state);
    part("C", name.country);
    return out;
}

std::string key_text(const Certificate& certificate) {
    const auto key = certificate.key();
    if (!key) return "not usable: " + key.error().detail;
    return key->kind() == KeyKind::p256   ? "P-256"
           : key->kind() == KeyKind::p384 ? "P-384"
                                          : "RSA-4096";
}

Json certificate_json(const Certificate& certificate) {
    Json out;
    out["subject"] = name_text(certificate.subject());
    out["issuer"] = name_text(certificate.issuer());
    out["serial"] = to_hex(certificate.serial());
    out["not_before"] = to_rfc3339(certificate.validity().from);
    out["not_after"] = to_rfc3339(certificate.validity().until);
    out["key"] = key_text(certificate);
    out["signature_algorithm"] = algorithm_name(certificate.algorithm());
    out["ca"] = certificate.basic_constraints() && certificate.basic_constraints()->ca;
    out["sha256"] = to_hex(sha256(certificate.der()));
    out["spki_sha256"] = to_hex(certificate.spki_digest());
    return out;
}

Result<Inspection> inspect_certificate(ByteView der) {
    ATTESTD_TRY(const Certificate certificate, Certificate::parse(der));
    Inspection out{"x509-certificate", certificate_json(certificate), Json::object()};
    ATTESTD_TRY(const auto pck, parse_pck_extension(certificate));
    if (pck) {
        out.format = "pck-certificate";
        out.fields.update(fields_of(*pck));
    }
    ATTESTD_TRY(const auto leaf, parse_amd_leaf_extension(certificate));
    if (leaf) {
        out.format = leaf->is_vcek() ? "vcek-certificate" : "vlek-certificate";
        out.fields.update(fields_of(*leaf));
    }
    return out;
}

Result<Inspection> inspect_crl(ByteView der) {
    ATTESTD_TRY(const Crl crl, Crl::parse(der));
    Inspection out{"crl", Json::object(), Json::object()};
    out.fields["issuer"] = name_text(crl.issuer());
    out.fields["this_update"] = to_rfc3339(crl.validity().from);
    out.fields["next_update"] = to_rfc3339(crl.validity().until);
    out.fields["crl_number"] = crl.number() ? Json(to_hex(*crl.number())) : Json(nullptr);
    out.fields["signature_algorithm"] = algorithm_name(crl.algorithm());
    Json serials = Json::array();
    for (const ByteView serial : crl.revoked_serials()) serials.push_back(to_hex(serial));
    out.fields["revoked_serials"] = std::move(serials);
    return out;
}

Result<Inspection> inspect_der(ByteView der) {
    auto certificate = inspect_certificate(der);
    if (certificate) return certificate;
    auto crl = inspect_crl(der);
    if (crl) return crl;
    // Of the two complaints, the one of the format that was read further is worth telling; a
    // certificate's first element inside is a [0], a list's is not.
    const bool certificate_like =
        der.size() > 8 && (der[8] == 0xa0 || der[7] == 0xa0 || der[6] == 0xa0);
    return tl::make_unexpected(certificate_like ? certificate.error() : crl.error());
}

// A chain of PEM blocks: the first is shown in full, the others by their certificate's fields.
Result<Inspection> inspect_pem(std::string_view text) {
    ATTESTD_TRY(const auto blocks, parse_pem(text, PemStyle::file));
    ATTESTD_TRY(Inspection out, inspect_der(blocks[0].der));
    Json further = Json::array();
    for (std::size_t i = 1; i < blocks.size(); ++i) {
        ATTESTD_TRY(const Inspection next, inspect_der(blocks[i].der));
        further.push_back({{"format", next.format}, {"fields", next.fields}});
    }
    if (!further.empty()) out.more["further"] = std::move(further);
    return out;
}

Json chain_json(std::string_view pem) {
    Json out = Json::array();
    const auto blocks = parse_pem(pem, PemStyle::exact);
    if (!blocks) return fmt::format("not readable: {}", blocks.error().detail);
    for (const PemBlock& block : *blocks) {
        const auto one = inspect_certificate(block.der);
        if (one)
            out.push_back({{"format", one->format}, {"fields", one->fields}});
        else
            out.push_back({{"error", to_string(one.error())}});
    }
    return out;
}

Result<Inspection> inspect_quote(ByteView bytes) {
    ATTESTD_TRY(const ParsedQuote quote, parse_intel_quote(bytes));
    Inspection out{quote.quote.format(), fields_of(quote.quote), Json::object()};
    out.more["consumed"] = quote.consumed;
    out.more["padding"] = bytes.size() - quote.consumed;
    Json& signature = out.more["signature"];
    signature["signature"] = to_hex(quote.signature);
    signature["attestation_key"] = to_hex(quote.attestation_key);
    signature["qe_report"] = fields_of(quote.qe_report);
    signature["qe_report_signature"] = to_hex(quote.qe_report_signature);
    signature["qe_auth_data"] = to_hex(quote.qe_auth_data);
    Json& certification = out.more["certification_data"];
    certification["type"] = quote.cert_data_type;
    if (quote.cert_data_type == kCertDataPckChain)
        certification["chain"] = chain_json(quote.pck_chain());
    else
        certification["data"] = to_hex(quote.cert_data);
    return out;
}

Json table_json(const std::vector<CertTableEntry>& entries) {
    Json out = Json::array();
    for (const CertTableEntry& entry : entries) {
        Json item{{"guid", entry.guid}, {"length", entry.data.size()}};
        const auto one =
            looks_like_pem(entry.data) ? inspect_pem(as_text(entry.data)) : inspect_der(entry.data);
        if (one) {
            item["format"] = one->format;
            item["fields"] = one->fields;
        } else if (entry.kind != CertTableEntryKind::other) {
            item["error"] = to_string(one.error());
        }
        out.push_back(std::move(item));
    }
    return out;
}

Result<Inspection> inspect_report(ByteView bytes, const Endorsements& given) {
    ATTESTD_TRY(ParsedSnpReport parsed,
                parse_snp_report(bytes.first(std::min(bytes.size(), kSnpReportLen))));
    SnpReport& report = parsed.report;
    if (!report.names_product()) report.product = product_hint(report, given);
    Inspection out{report.format(), fields_of(report), Json::object()};
    out.more["signature"] = {{"r", to_hex(parsed.r)}, {"s", to_hex(parsed.s)}};
    if (bytes.size() == kSnpReportLen) return out;
    ATTESTD_TRY(const auto entries, parse_cert_table(bytes.subspan(kSnpReportLen)));
    out.more["certificate_table"] = table_json(entries);
    return out;
}

Result<Inspection> inspect_table(ByteView bytes) {
    ATTESTD_TRY(const auto entries, parse_cert_table(bytes));
    Inspection out{"snp-certificate-table", Json::object(), Json::object()};
    out.fields["entries"] = table_json(entries);
    return out;
}

Json isv_levels_json(const std::vector<IsvLevel>& levels) {
    Json out = Json::array();
    for (const IsvLevel& level : levels) {
        out.push_back({{"isvsvn", level.isv_svn},
                       {"date", to_rfc3339(level.date)},
                       {"status", tcb_status_name(level.status)},
                       {"advisory_ids", level.advisory_ids}});
    }
    return out;
}

void put_tcb_info(Json& out, const TcbInfo& info) {
    out["id"] = info.tdx ? "TDX" : "SGX";
    out["issue_date"] = to_rfc3339(info.validity.from);
    out["next_update"] = to_rfc3339(info.validity.until);
    out["fmspc"] = to_hex(info.fmspc);
    out["pceid"] = to_hex(info.pce_id);
    out["tcb_evaluation_data_number"] = info.evaluation_data_number;
    Json levels = Json::array();
    for (const TcbLevel& level : info.levels) {
        Json item{{"sgx_components", level.sgx_components}, {"pcesvn", level.pce_svn}};
        if (info.tdx) item["tdx_components"] = level.tdx_components;
        item["date"] = to_rfc3339(level.date);
        item["status"] = tcb_status_name(level.status);
        item["advisory_ids"] = level.advisory_ids;
        levels.push_back(std::move(item));
    }
    out["tcb_levels"] = std::move(levels);
    for (const TdxModuleIdentity& identity : info.module_identities) {
        out["tdx_modules"][identity.id] = {{"mrsigner", to_hex(identity.module.mr_signer)},
                                           {"levels", isv_levels_json(identity.levels)}};
    }
}

void put_identity(Json& out, const EnclaveIdentity& identity) {
    out["id"] = identity.id;
    out["issue_date"] = to_rfc3339(identity.validity.from);
    out["next_update"] = to_rfc3339(identity.validity.until);
    out["tcb_evaluation_data_number"] = identity.evaluation_data_number;
    out["miscselect"] = to_hex(identity.misc_select);
    out["miscselect_mask"] = to_hex(identity.misc_select_mask);
    out["attributes"] = to_hex(identity.attributes);
    out["attributes_mask"] = to_hex(identity.attributes_mask);
    out["mrsigner"] = to_hex(identity.mr_signer);
    out["isvprodid"] = identity.isv_prod_id;
    out["levels"] = isv_levels_json(identity.levels);
}

// A document by itself must parse; within a collateral file a damaged one is shown as damaged,
// beside the others.
template <class Body>
Result<void> put_document(Json& out, const Result<Body>& body, bool alone,
                          void (*put)(Json&, const Body&)) {
    if (body)
        put(out, *body);
    else if (alone)
        return tl::make_unexpected(body.error());
    else
        out["error"] = to_string(body.error());
    return {};
}

Result<void> put_documents(Inspection& out, const Endorsements& all) {
    const bool alone =
        all.tcb_infos().size() + all.qe_identities().size() == 1 && all.crls().empty();
    for (const SignedDocument& document : all.tcb_infos()) {
        Json& into = alone ? out.fields : out.fields["tcb_info"];
        ATTESTD_CHECK(put_document(into, parse_tcb_info(document.text), alone, put_tcb_info));
    }
    for (const SignedDocument& document : all.qe_identities()) {
        Json& into = alone ? out.fields : out.fields["qe_identity"];
        ATTESTD_CHECK(
            put_document(into, parse_enclave_identity(document.text), alone, put_identity));
    }
    return {};
}

Result<Inspection> inspect_tdreport(ByteView bytes) {
    ATTESTD_TRY(const LocalTdReport report, parse_tdreport(bytes));
    return Inspection{"tdreport", fields_of(report), Json::object()};
}

Result<Inspection> inspect_event_log(ByteView bytes) {
    ATTESTD_TRY(const EventLog log, parse_event_log(bytes));
    Inspection out{log.kind == EventLogKind::cc ? "cc-event-log" : "tpm-event-log", Json::object(),
                   Json::object()};
    out.fields["bytes_used"] = log.bytes_used;
    Json events = Json::array();
    for (const BootEvent& event : log.events) {
        events.push_back({{"register", register_name(log.kind, event.reg)},
                          {"type", event_type_name(event.type)},
                          {"data_trust", data_trust_name(data_trust(event))},
                          {"text", event_text(event)}});
    }
    out.fields["events"] = std::move(events);
    return out;
}

// A signed document, or the one-file collateral with both of them and the revocation lists.
Result<Inspection> inspect_json(ByteView bytes) {
    Endorsements all;
    ATTESTD_CHECK(all.add(bytes, "document"));
    const bool lists = !all.crls().empty();
    Inspection out{"tdx-collateral", Json::object(), Json::object()};
    if (!lists && all.qe_identities().empty()) out.format = "tcb-info";
    if (!lists && all.tcb_infos().empty()) out.format = "qe-identity";
    ATTESTD_CHECK(put_documents(out, all));
    for (const GivenCrl& given : all.crls()) {
        Json& into = out.fields[given.role == CrlRole::root ? "root_ca_crl" : "pck_crl"];
        if (!given.crl) {
            into["error"] = to_string(given.crl.error());
            continue;
        }
        ATTESTD_TRY(const Inspection crl, inspect_crl(given.crl->der()));
        into = crl.fields;
    }
    return out;
}

}  // namespace

Result<Inspection> inspect_bytes(ByteView bytes, const Endorsements& given) {
    const std::string_view text = as_text(bytes);
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first != text.npos && text[first] == '{') {
        if (looks_like_azure_evidence(text)) return inspect_azure_evidence(text, given);
        if (looks_like_vtpm_quote(text)) return inspect_vtpm_quote(text);
        return inspect_json(bytes);
    }
    if (looks_like_hcl_blob(bytes)) return inspect_hcl_blob(bytes, given);
    if (looks_like_service_manifest(bytes)) return inspect_service_manifest(bytes);
    if (looks_like_pem(bytes) && !looks_like_intel_quote(bytes) && !looks_like_cert_table(bytes))
        return inspect_pem(text);
    if (bytes.size() > 4 && bytes[0] == der::kSequence && (bytes[1] & 0x80) != 0)
        return inspect_der(bytes);
    if (bytes.size() == kTdReportLen && (bytes[0] & 0x80) != 0) return inspect_tdreport(bytes);
    if (looks_like_intel_quote(bytes)) return inspect_quote(bytes);
    if (looks_like_cert_table(bytes)) return inspect_table(bytes);
    if (looks_like_event_log(bytes)) return inspect_event_log(bytes);
    if (looks_like_snp_report(bytes)) return inspect_report(bytes, given);
    if (bytes.size() == kTdReportLen) return inspect_tdreport(bytes);
    return fail(
        Errc::unknown_format,
        fmt::format("{} bytes beginning with {}: no kind of evidence or endorsement is recognised "
                    "at byte 0",
                    bytes.size(), to_hex(bytes.first(std::min<std::size_t>(bytes.size(), 8)))));
}

}  // namespace attestd::cli
