#include "verifier/claims_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "quote/base/encoding.h"

namespace attestd {
namespace {

using Json = nlohmann::ordered_json;

std::string word(std::uint64_t value) { return fmt::format("0x{:x}", value); }

// The four TCBs of a report whose product is not known cannot be taken apart: shown as bytes.
Json tcb_json(const SnpReport& report, const ByteArray<8>& tcb) {
    if (!report.product) return to_hex(tcb);
    return fields_of(decode_tcb(*report.product, tcb));
}

std::string version_text(const SnpVersion& v) {
    return fmt::format("{}.{}.{}", v.major, v.minor, v.build);
}

void put_header(Json& out, const QuoteHeader& header) {
    out["version"] = header.version;
    out["att_key_type"] = header.att_key_type;
    out["tee_type"] = word(header.tee_type);
    out["qe_svn"] = header.qe_svn;
    out["pce_svn"] = header.pce_svn;
    out["qe_vendor_id"] = to_hex(header.qe_vendor_id);
    out["user_data"] = to_hex(header.user_data);
}

void put_td_report_ex(Json& out, const TdReportEx& ex) {
    out["vm_id"] = ex.vm_id;
    out["td_id"] = to_hex(ex.td_id);
    out["devinfo"] = to_hex(ex.dev_info);
    out["init_servtd_hash"] = to_hex(ex.init_servtd_hash);
    out["init_servtd_attr"] = to_hex(ex.init_servtd_attr);
    out["init_cpusvn"] = to_hex(ex.init_cpu_svn);
    out["init_tee_tcb_svn"] = to_hex(ex.init_tee_tcb_svn);
    out["init_tee_fmspc"] = to_hex(ex.init_tee_fmspc);
    out["cur_servtd_hash"] = to_hex(ex.cur_servtd_hash);
    out["cur_servtd_attr"] = to_hex(ex.cur_servtd_attr);
}

void put_td_report(Json& out, const TdReport& td) {
    out["tee_tcb_svn"] = to_hex(td.tee_tcb_svn);
    out["mrseam"] = to_hex(td.mr_seam);
    out["mrsignerseam"] = to_hex(td.mr_signer_seam);
    out["seam_attributes"] = to_hex(td.seam_attributes);
    out["td_attributes"] = to_hex(td.td_attributes);
    out["xfam"] = to_hex(td.xfam);
    out["mrtd"] = to_hex(td.mr_td);
    out["mrconfigid"] = to_hex(td.mr_config_id);
    out["mrowner"] = to_hex(td.mr_owner);
    out["mrownerconfig"] = to_hex(td.mr_owner_config);
    for (std::size_t i = 0; i < td.rtmr.size(); ++i)
        out[fmt::format("rtmr{}", i)] = to_hex(td.rtmr.at(i));
    out["report_data"] = to_hex(td.report_data);
    if (td.tee_tcb_svn2) out["tee_tcb_svn2"] = to_hex(*td.tee_tcb_svn2);
    if (td.mr_service_td) out["mrservicetd"] = to_hex(*td.mr_service_td);
    if (td.ex) put_td_report_ex(out, *td.ex);
}

Json intel_tcb_json(const IntelTcb& tcb) {
    const auto text = [](const std::optional<std::string>& value) {
        return value ? Json(*value) : Json(nullptr);
    };
    Json out;
    out["status"] = tcb.status;
    out["platform"] = text(tcb.platform);
    out["tdx_module"] = text(tcb.tdx_module);
    out["qe"] = text(tcb.qe);
    out["launch"] = text(tcb.launch);
    out["current"] = text(tcb.current);
    out["date"] = tcb.date ? Json(to_rfc3339(*tcb.date)) : Json(nullptr);
    out["advisory_ids"] = tcb.advisory_ids;
    out["current_advisory_ids"] = tcb.current_advisory_ids;
    return out;
}

Json tcb_json(const TcbState& state) {
    if (const auto* intel = std::get_if<IntelTcb>(&state)) return intel_tcb_json(*intel);
    Json out;
    out["status"] = nullptr;
    const auto* snp = std::get_if<SnpTcbs>(&state);
    if (snp == nullptr) return out;
    out["reported"] = fields_of(snp->reported);
    out["current"] = fields_of(snp->current);
    out["committed"] = fields_of(snp->committed);
    out["launch"] = fields_of(snp->launch);
    return out;
}

Json findings_json(const Findings& findings) {
    Json out = Json::array();
    for (const Finding& finding : findings) {
        out.push_back({{"id", finding.id},
                       {"severity", severity_name(finding.severity)},
                       {"detail", finding.detail}});
    }
    return out;
}

}  // namespace

Json fields_of(const TcbVersion& tcb) {
    Json out;
    if (tcb.fmc) out["fmc"] = *tcb.fmc;
    out["bootloader"] = tcb.bootloader;
    out["tee"] = tcb.tee;
    out["snp"] = tcb.snp;
    out["microcode"] = tcb.microcode;
    return out;
}

Json fields_of(const EnclaveReport& report) {
    Json out;
    out["cpusvn"] = to_hex(report.cpu_svn);
    out["miscselect"] = word(report.misc_select);
    out["attributes"] = to_hex(report.attributes);
    out["mrenclave"] = to_hex(report.mr_enclave);
    out["mrsigner"] = to_hex(report.mr_signer);
    out["isvprodid"] = report.isv_prod_id;
    out["isvsvn"] = report.isv_svn;
    out["report_data"] = to_hex(report.report_data);
    return out;
}

Json fields_of(const IntelQuote& quote) {
    Json out;
    put_header(out, quote.header);
    if (const auto* td = std::get_if<TdReport>(&quote.body))
        put_td_report(out, *td);
    else
        out.update(fields_of(std::get<EnclaveReport>(quote.body)));
    return out;
}

Json fields_of(const LocalTdReport& report) {
    Json out;
    out["type"] = word(report.mac.type);
    out["subtype"] = report.mac.subtype;
    out["version"] = report.mac.version;
    out["cpusvn"] = to_hex(report.mac.cpu_svn);
    out["tee_tcb_info_hash"] = to_hex(report.mac.tee_tcb_info_hash);
    out["tee_info_hash"] = to_hex(report.mac.tee_info_hash);
    out["report_data"] = to_hex(report.mac.report_data);
    out["mac"] = to_hex(report.mac.mac);
    out["tcb_info_valid"] = word(report.tcb_info.valid);
    out["tee_tcb_svn"] = to_hex(report.tcb_info.tee_tcb_svn);
    out["mrseam"] = to_hex(report.tcb_info.mr_seam);
    out["mrsignerseam"] = to_hex(report.tcb_info.mr_signer_seam);
    out["seam_attributes"] = to_hex(report.tcb_info.seam_attributes);
    out["tee_tcb_svn2"] = to_hex(report.tcb_info.tee_tcb_svn2);
    out["td_attributes"] = to_hex(report.td_info.td_attributes);
    out["xfam"] = to_hex(report.td_info.xfam);
    out["mrtd"] = to_hex(report.td_info.mr_td);
    out["mrconfigid"] = to_hex(report.td_info.mr_config_id);
    out["mrowner"] = to_hex(report.td_info.mr_owner);
    out["mrownerconfig"] = to_hex(report.td_info.mr_owner_config);
    for (std::size_t i = 0; i < 4; ++i)
        out[fmt::format("rtmr{}", i)] = to_hex(report.td_info.rtmr.at(i));
    out["mrservicetd"] = to_hex(report.td_info.mr_service_td);
    if (report.td_info.valid != 0) {
        out["td_id"] = to_hex(report.td_info.td_id);
        out["vm_id"] = report.td_info.vm_id;
        out["td_info_valid"] = word(report.td_info.valid);
    }
    return out;
}

Json fields_of(const SnpReport& r) {
    const bool v3 = r.names_product(), v5 = r.version >= 5;
    Json out;
    out["version"] = r.version;
    out["guest_svn"] = r.guest_svn;
    out["policy"] = word(r.policy.bits);
    out["policy_debug"] = r.policy.debug();
    out["policy_smt"] = r.policy.smt();
    out["policy_migrate_ma"] = r.policy.migrate_ma();
    out["vmpl"] = r.vmpl;
    out["signature_algo"] = r.signature_algo;
    out["platform_info"] = word(r.platform_info);
    out["author_key_en"] = r.author_key_en;
    out["mask_chip_key"] = r.mask_chip_key;
    out["signing_key"] = signing_key_name(r.signing_key);
    out["product"] = r.product ? Json(product_name(*r.product)) : Json(nullptr);
    out["report_data"] = to_hex(r.report_data);
    out["measurement"] = to_hex(r.measurement);
    out["host_data"] = to_hex(r.host_data);
    out["id_key_digest"] = to_hex(r.id_key_digest);
    out["author_key_digest"] = to_hex(r.author_key_digest);
    out["report_id"] = to_hex(r.report_id);
    out["report_id_ma"] = to_hex(r.report_id_ma);
    out["family_id"] = to_hex(r.family_id);
    out["image_id"] = to_hex(r.image_id);
    out["chip_id"] = to_hex(r.chip_id);
    out["current_tcb"] = tcb_json(r, r.current_tcb);
    out["reported_tcb"] = tcb_json(r, r.reported_tcb);
    out["committed_tcb"] = tcb_json(r, r.committed_tcb);
    out["launch_tcb"] = tcb_json(r, r.launch_tcb);
    out["current_version"] = version_text(r.current_version);
    out["committed_version"] = version_text(r.committed_version);
    out["cpuid_family"] = v3 ? Json(fmt::format("0x{:02x}", r.cpuid_family)) : Json(nullptr);
    out["cpuid_model"] = v3 ? Json(fmt::format("0x{:02x}", r.cpuid_model)) : Json(nullptr);
    out["cpuid_stepping"] = v3 ? Json(r.cpuid_stepping) : Json(nullptr);
    out["launch_mit_vector"] = v5 ? Json(word(r.launch_mit_vector)) : Json(nullptr);
    out["current_mit_vector"] = v5 ? Json(word(r.current_mit_vector)) : Json(nullptr);
    return out;
}

Json fields_of(const PckExtension& pck) {
    Json out;
    out["ppid"] = to_hex(pck.ppid);
    out["tcb_components"] = pck.tcb_components;
    out["pcesvn"] = pck.pce_svn;
    out["cpusvn"] = to_hex(pck.cpu_svn);
    out["pceid"] = to_hex(pck.pce_id);
    out["fmspc"] = to_hex(pck.fmspc);
    out["sgx_type"] = sgx_type_name(pck.sgx_type);
    if (pck.platform_instance_id) out["platform_instance_id"] = to_hex(*pck.platform_instance_id);
    if (pck.dynamic_platform) out["dynamic_platform"] = *pck.dynamic_platform;
    if (pck.cached_keys) out["cached_keys"] = *pck.cached_keys;
    if (pck.smt_enabled) out["smt_enabled"] = *pck.smt_enabled;
    return out;
}

Json fields_of(const AmdLeafExtension& leaf) {
    Json out;
    out["struct_version"] = leaf.struct_version;
    out["product_name"] = leaf.product_text;
    out["tcb"] = fields_of(leaf.tcb);
    if (leaf.is_vcek())
        out["hwid"] = to_hex(leaf.hw_id);
    else
        out["csp_id"] = leaf.csp_id;
    return out;
}

Json to_json(const AttestationResult& result) {
    Json out;
    const Verdict verdict = result.verdict();
    out["accepted"] =
        verdict == Verdict::undecided ? Json(nullptr) : Json(verdict == Verdict::accepted);
    out["tee"] = tee_name(result.tee());
    out["format"] = result.format();
    out["grade"] = grade_name(result.grade());
    out["verified_at"] = to_rfc3339(result.verified_at());
    out["valid_until"] =
        result.valid_until() ? Json(to_rfc3339(*result.valid_until())) : Json(nullptr);
    out["tcb"] = tcb_json(result.tcb());
    out["findings"] = findings_json(result.findings());
    out["claims"] = Json::object();
    if (const auto* quote = std::get_if<IntelQuote>(&result.claims()))
        out["claims"] = fields_of(*quote);
    if (const auto* report = std::get_if<SnpReport>(&result.claims()))
        out["claims"] = fields_of(*report);
    if (result.azure() != nullptr) out["claims"]["azure"] = fields_of(*result.azure());
    if (result.boot() != nullptr) out["claims"]["boot"] = fields_of(*result.boot());
    return out;
}

}  // namespace attestd
