#include "tests/support/forge/collateral_forge.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"

namespace attestd::forge {
namespace {

using Json = nlohmann::ordered_json;  // members stay in the order in which they were put

constexpr std::size_t kNumComponents = 16;

struct Label {
    std::string_view category, type;
};
constexpr std::array<Label, 8> kSgxLabels{{{"BIOS", "Early Microcode Update"},
                                           {"OS/VMM", "SGX Late Microcode Update"},
                                           {"OS/VMM", "TXT SINIT"},
                                           {"BIOS", ""},
                                           {"BIOS", ""},
                                           {"BIOS", ""},
                                           {"", ""},
                                           {"OS/VMM", "SEAMLDR ACM"}}};
constexpr std::array<Label, 3> kTdxLabels{
    {{"OS/VMM", "TDX Module"}, {"OS/VMM", "TDX Module"}, {"OS/VMM", "TDX Late Microcode Update"}}};

std::string upper_hex(ByteView bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes) out += fmt::format("{:02X}", byte);
    return out;
}

std::vector<TcbComponent> components(ByteView svns, std::span<const Label> labels) {
    std::vector<TcbComponent> out(kNumComponents);
    for (std::size_t i = 0; i < std::min(svns.size(), out.size()); ++i) out[i].svn = svns[i];
    for (std::size_t i = 0; i < labels.size(); ++i) {
        out[i].category = labels[i].category;
        out[i].type = labels[i].type;
    }
    return out;
}

Json components_json(const std::vector<TcbComponent>& list) {
    Json out = Json::array();
    for (const TcbComponent& component : list) {
        Json entry{{"svn", component.svn}};
        if (!component.category.empty()) entry["category"] = component.category;
        if (!component.type.empty()) entry["type"] = component.type;
        out.push_back(std::move(entry));
    }
    return out;
}

// Date, status and advisories: the end of every kind of level.
void put_verdict(Json& out, Time date, const std::string& status,
                 const std::vector<std::string>& advisories) {
    out["tcbDate"] = to_rfc3339(date);
    out["tcbStatus"] = status;
    if (!advisories.empty()) out["advisoryIDs"] = advisories;
}

Json level_json(const TcbLevel& level) {
    Json tcb;
    tcb["sgxtcbcomponents"] = components_json(level.sgx);
    tcb["pcesvn"] = level.pcesvn;
    if (!level.tdx.empty()) tcb["tdxtcbcomponents"] = components_json(level.tdx);
    Json out;
    out["tcb"] = std::move(tcb);
    put_verdict(out, level.date, level.status, level.advisories);
    return out;
}

Json level_json(const IsvLevel& level) {
    Json out;
    out["tcb"]["isvsvn"] = level.isvsvn;
    put_verdict(out, level.date, level.status, level.advisories);
    return out;
}

template <class Level>
Json levels_json(const std::vector<Level>& levels) {
    Json out = Json::array();
    for (const Level& level : levels) out.push_back(level_json(level));
    return out;
}

void put_module(Json& out, const TdxModule& module) {
    out["mrsigner"] = upper_hex(module.mrsigner);
    out["attributes"] = upper_hex(module.attributes);
    out["attributesMask"] = upper_hex(module.attributes_mask);
}

Json identities_json(const std::vector<TdxModuleIdentity>& identities) {
    Json out = Json::array();
    for (const TdxModuleIdentity& identity : identities) {
        Json entry{{"id", identity.id}};
        put_module(entry, identity.module);
        entry["tcbLevels"] = levels_json(identity.levels);
        out.push_back(std::move(entry));
    }
    return out;
}

// Dates of the synthetic levels: midnights some time before the documents were issued.
Time days_before(Window validity, std::chrono::days age) {
    return std::chrono::floor<std::chrono::days>(validity.from) - age;
}
Time current_tcb_date(Window validity) { return days_before(validity, std::chrono::days(200)); }
Time old_tcb_date(Window validity) { return days_before(validity, std::chrono::days(800)); }

// Each number one lower, not below zero.
ByteArray<16> one_lower(ByteArray<16> svns) {
    for (std::uint8_t& svn : svns) svn = static_cast<std::uint8_t>(svn > 0 ? svn - 1 : 0);
    return svns;
}

TcbInfo tcb_info(std::string id, const PckFields& machine, Window validity) {
    TcbInfo info;
    info.id = std::move(id);
    info.issue_date = validity.from;
    info.next_update = validity.until;
    info.fmspc = machine.fmspc;
    info.pceid = machine.pceid;
    TcbLevel current{sgx_components(machine.components), machine.pcesvn, {},
                     current_tcb_date(validity),         "UpToDate",     {}};
    TcbLevel old{sgx_components(one_lower(machine.components)),
                 std::uint32_t{5},
                 {},
                 old_tcb_date(validity),
                 "OutOfDate",
                 {"INTEL-SA-00837", "INTEL-SA-00960"}};
    info.levels = {std::move(current), std::move(old)};
    return info;
}

EnclaveIdentity identity(std::string id, std::uint16_t isvprodid, Window validity) {
    EnclaveIdentity out;
    out.mrsigner = qe_mrsigner(id);
    out.id = std::move(id);
    out.issue_date = validity.from;
    out.next_update = validity.until;
    out.isvprodid = isvprodid;
    out.levels = {{4, current_tcb_date(validity), "UpToDate", {}},
                  {2, old_tcb_date(validity), "OutOfDate", {"INTEL-SA-00615"}}};
    return out;
}

}  // namespace

std::vector<TcbComponent> sgx_components(ByteView svns) { return components(svns, kSgxLabels); }

std::vector<TcbComponent> tdx_components(ByteView svns) { return components(svns, kTdxLabels); }

ByteArray<32> qe_mrsigner(std::string_view identity) {
    return sha256({as_bytes("attestd synthetic quoting enclave "), as_bytes(identity)});
}

TcbInfo tdx_tcb_info(const PckFields& machine, Window validity) {
    TcbInfo info = tcb_info("TDX", machine, validity);
    info.module = TdxModule{};
    info.identities = {{"TDX_03", {}, {{3, current_tcb_date(validity), "UpToDate", {}}}},
                       {"TDX_01",
                        {},
                        {{4, current_tcb_date(validity), "UpToDate", {}},
                         {2, old_tcb_date(validity), "OutOfDate", {"INTEL-SA-01036"}}}}};
    info.levels[0].tdx = tdx_components(ByteArray<3>{5, 0, 2});
    info.levels[1].tdx = tdx_components(ByteArray<3>{3, 0, 1});
    return info;
}

TcbInfo sgx_tcb_info(const PckFields& machine, Window validity) {
    return tcb_info("SGX", machine, validity);
}

EnclaveIdentity td_qe_identity(Window validity) { return identity("TD_QE", 2, validity); }

EnclaveIdentity qe_identity(Window validity) { return identity("QE", 1, validity); }

std::string to_json(const TcbInfo& info) {
    Json out;
    out["id"] = info.id;
    out["version"] = info.version;
    out["issueDate"] = to_rfc3339(info.issue_date);
    out["nextUpdate"] = to_rfc3339(info.next_update);
    out["fmspc"] = upper_hex(info.fmspc);
    out["pceId"] = upper_hex(info.pceid);
    out["tcbType"] = info.tcb_type;
    out["tcbEvaluationDataNumber"] = info.tcb_evaluation_data_number;
    if (info.module) put_module(out["tdxModule"], *info.module);
    if (info.identities) out["tdxModuleIdentities"] = identities_json(*info.identities);
    out["tcbLevels"] = levels_json(info.levels);
    return out.dump();
}

std::string to_json(const EnclaveIdentity& identity) {
    Json out;
    out["id"] = identity.id;
    out["version"] = identity.version;
    out["issueDate"] = to_rfc3339(identity.issue_date);
    out["nextUpdate"] = to_rfc3339(identity.next_update);
    out["tcbEvaluationDataNumber"] = identity.tcb_evaluation_data_number;
    out["miscselect"] = upper_hex(identity.miscselect);
    out["miscselectMask"] = upper_hex(identity.miscselect_mask);
    out["attributes"] = upper_hex(identity.attributes);
    out["attributesMask"] = upper_hex(identity.attributes_mask);
    out["mrsigner"] = upper_hex(identity.mrsigner);
    out["isvprodid"] = identity.isvprodid;
    out["tcbLevels"] = levels_json(identity.levels);
    return out.dump();
}

std::string sign_text(std::string_view text, const SigningKey& key) {
    return to_hex(key.sign_raw(as_bytes(text)));
}

std::string pcs_document(std::string_view key, std::string_view text, std::string_view signature) {
    // Put together as text: parsing and writing again could change the signed bytes.
    return fmt::format(R"({{"{}":{},"signature":"{}"}})", key, text, signature);
}

Collateral sign_collateral(const CollateralSpec& spec, const IntelHierarchy& intel) {
    Collateral out;
    out.pck_crl_issuer_chain = intel.pck_crl_issuer_chain();
    out.root_ca_crl = issue(spec.root_crl, intel.root_issuer());
    out.pck_crl = issue(spec.pck_crl, intel.pck_issuer());
    out.tcb_info_issuer_chain = intel.tcb_signing_chain();
    out.tcb_info = to_json(spec.tcb_info);
    out.tcb_info_signature = sign_text(out.tcb_info, intel.keys.tcb_signing);
    out.qe_identity_issuer_chain = intel.tcb_signing_chain();
    out.qe_identity = to_json(spec.qe_identity);
    out.qe_identity_signature = sign_text(out.qe_identity, intel.keys.tcb_signing);
    return out;
}

CollateralSpec tdx_collateral(const IntelHierarchy& intel, const PckFields& machine,
                              Window validity) {
    return {tdx_tcb_info(machine, validity), td_qe_identity(validity),
            intel.root_crl_spec(validity), intel.pck_crl_spec(validity)};
}

CollateralSpec sgx_collateral(const IntelHierarchy& intel, const PckFields& machine,
                              Window validity) {
    return {sgx_tcb_info(machine, validity), qe_identity(validity), intel.root_crl_spec(validity),
            intel.pck_crl_spec(validity)};
}

std::string to_json(const Collateral& collateral) {
    Json out;
    out["pck_crl_issuer_chain"] = collateral.pck_crl_issuer_chain;
    out["root_ca_crl"] = to_hex(collateral.root_ca_crl);
    out["pck_crl"] = to_hex(collateral.pck_crl);
    out["tcb_info_issuer_chain"] = collateral.tcb_info_issuer_chain;
    out["tcb_info"] = collateral.tcb_info;
    out["tcb_info_signature"] = collateral.tcb_info_signature;
    out["qe_identity_issuer_chain"] = collateral.qe_identity_issuer_chain;
    out["qe_identity"] = collateral.qe_identity;
    out["qe_identity_signature"] = collateral.qe_identity_signature;
    return out.dump(1);
}

}  // namespace attestd::forge
