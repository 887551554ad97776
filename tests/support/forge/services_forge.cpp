#include "tests/support/forge/services_forge.h"

#include <fmt/format.h>

#include "quote/base/encoding.h"
#include "quote/x509/pem.h"

namespace attestd::forge {
namespace {

// Everything but letters, digits and "-._~", as Intel's headers have it; '+' becomes %2B.
std::string percent_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') ||
                           ('0' <= c && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return out;
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

std::string chain_pem(std::initializer_list<Bytes> certificates) {
    std::string out;
    for (const Bytes& der : certificates) out += to_pem("CERTIFICATE", der);
    return out;
}

}  // namespace

std::vector<ServiceAnswer> intel_answers(const CollateralSpec& spec, const IntelHierarchy& intel,
                                         const PckFields& machine) {
    const Collateral signed_parts = sign_collateral(spec, intel);
    const std::string tee = spec.tcb_info.id == "TDX" ? "tdx" : "sgx";
    const std::string ca = intel.ca == PckCa::platform ? "platform" : "processor";
    const std::string tcb =
        pcs_document("tcbInfo", signed_parts.tcb_info, signed_parts.tcb_info_signature);
    const std::string qe = pcs_document("enclaveIdentity", signed_parts.qe_identity,
                                        signed_parts.qe_identity_signature);
    return {{fmt::format("/{}/certification/v4/tcb?fmspc={}&update=standard", tee,
                         to_hex(machine.fmspc)),
             {{"TCB-Info-Issuer-Chain", percent_encode(signed_parts.tcb_info_issuer_chain)}},
             bytes_of(tcb)},
            {fmt::format("/{}/certification/v4/qe/identity?update=standard", tee),
             {{"SGX-Enclave-Identity-Issuer-Chain",
               percent_encode(signed_parts.qe_identity_issuer_chain)}},
             bytes_of(qe)},
            {fmt::format("/sgx/certification/v4/pckcrl?ca={}&encoding=der", ca),
             {{"SGX-PCK-CRL-Issuer-Chain", percent_encode(signed_parts.pck_crl_issuer_chain)}},
             signed_parts.pck_crl},
            {"/IntelSGXRootCA.der", {}, signed_parts.root_ca_crl},
            {"/sgx/certification/v4/rootcacrl", {}, bytes_of(to_hex(signed_parts.root_ca_crl))}};
}

std::vector<ServiceAnswer> amd_answers(const AmdHierarchy& amd, const ByteArray<64>& chip_id,
                                       const SnpTcb& tcb, Window crl_validity) {
    const std::string product(product_name(amd.product()));
    const Bytes root = amd.ark();
    const Bytes crl = amd.crl(crl_validity);
    const std::string fmc =
        amd.product() == Product::turin ? fmt::format("fmcSPL={:02}&", tcb.fmc) : std::string();
    const std::string leaf_path =
        fmt::format("/vcek/v1/{}/{}?{}blSPL={:02}&teeSPL={:02}&snpSPL={:02}&ucodeSPL={:02}",
                    product, to_hex(ByteView(chip_id).first(hwid_len(amd.product()))), fmc,
                    tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode);
    return {{leaf_path, {}, amd.vcek(chip_id, tcb)},
            {fmt::format("/vcek/v1/{}/cert_chain", product),
             {},
             bytes_of(chain_pem({amd.ask(), root}))},
            {fmt::format("/vlek/v1/{}/cert_chain", product),
             {},
             bytes_of(chain_pem({amd.asvk(), root}))},
            {fmt::format("/vcek/v1/{}/crl", product), {}, crl},
            {fmt::format("/vlek/v1/{}/crl", product), {}, crl}};
}

}  // namespace attestd::forge
