#include "agent/collateral/endorsement_id.h"

#include <fmt/format.h>

#include <vector>

#include "quote/base/digest.h"
#include "quote/base/encoding.h"
#include "verifier/endorsement_check.h"

namespace attestd {
namespace {

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

// The platform and its TCB; what the key signed changes with each restart of the quoting enclave.
std::string pck_name(const PckCertificateId& id) {
    const Sha256 digest = sha256({id.qe_id, id.encrypted_ppid, id.cpu_svn, id.pce_svn, id.pce_id});
    return "intel-pck-" + to_hex(ByteView(digest).first(16));
}

std::string_view tee_word(bool tdx) { return tdx ? "TDX" : "SGX"; }

}  // namespace

std::string endorsement_key(const EndorsementId& id) {
    return std::visit(
        Overloaded{[](const PckCertificateId& i) { return pck_name(i); },
                   [](const TcbInfoId& i) { return tcb_info_key(i.tdx, i.fmspc); },
                   [](const QeIdentityId& i) { return qe_identity_key(i.tdx); },
                   [](const PckCrlId& i) {
                       return std::string(i.ca == PckCa::platform ? kPlatformCrlKey
                                                                  : kProcessorCrlKey);
                   },
                   [](const RootCrlId&) { return std::string(kRootCrlKey); },
                   [](const AmdIssuersId& i) { return amd_issuers_key(i.product, i.vlek); },
                   [](const VcekId& i) { return amd_leaf_key(i.product, i.hw_id, i.tcb); },
                   [](const AmdCrlId& i) { return amd_crl_key(i.product); }},
        id);
}

std::string endorsement_name(const EndorsementId& id) {
    const auto* const crl = std::get_if<AmdCrlId>(&id);
    return endorsement_key(id) + (crl != nullptr && crl->vlek ? "-vlek" : "");
}

std::string endorsement_file(const EndorsementId& id) {
    const std::string_view suffix = std::visit(
        Overloaded{[](const PckCertificateId&) { return ".pem"; },
                   [](const TcbInfoId&) { return ".json"; },
                   [](const QeIdentityId&) { return ".json"; },
                   [](const PckCrlId&) { return ".pem"; }, [](const RootCrlId&) { return ".pem"; },
                   [](const AmdIssuersId&) { return ".pem"; }, [](const VcekId&) { return ".der"; },
                   [](const AmdCrlId&) { return ".der"; }},
        id);
    return endorsement_name(id).append(suffix);
}

std::optional<EndorsementId> endorsement_of_file(std::string_view file) {
    std::vector<EndorsementId> known{QeIdentityId{true}, QeIdentityId{false},
                                     PckCrlId{PckCa::platform}, PckCrlId{PckCa::processor},
                                     RootCrlId{}};
    for (const Product product : {Product::milan, Product::genoa, Product::turin}) {
        for (const bool vlek : {false, true}) {
            known.emplace_back(AmdIssuersId{product, vlek});
            known.emplace_back(AmdCrlId{product, vlek});
        }
    }
    constexpr std::size_t kPrefixLen = std::string_view("intel-tcb-tdx-").size();
    constexpr std::size_t kFmspcLen = 12;
    if (file.size() >= kPrefixLen + kFmspcLen) {
        const auto fmspc = array_from_hex<6>(file.substr(kPrefixLen, kFmspcLen), "FMSPC");
        if (fmspc) {
            known.emplace_back(TcbInfoId{true, *fmspc});
            known.emplace_back(TcbInfoId{false, *fmspc});
        }
    }
    for (const EndorsementId& id : known) {
        if (endorsement_file(id) == file) return id;
    }
    return std::nullopt;
}

std::string endorsement_words(const EndorsementId& id) {
    return std::visit(
        Overloaded{
            [](const PckCertificateId& i) {
                return fmt::format("PCK certificate of the platform with QE id {}",
                                   to_hex(i.qe_id));
            },
            [](const TcbInfoId& i) {
                return fmt::format("TCB info of FMSPC {} ({})", to_hex(i.fmspc), tee_word(i.tdx));
            },
            [](const QeIdentityId& i) { return fmt::format("QE identity ({})", tee_word(i.tdx)); },
            [](const PckCrlId& i) {
                return fmt::format("revocation list of Intel's PCK {} CA",
                                   i.ca == PckCa::platform ? "platform" : "processor");
            },
            [](const RootCrlId&) { return std::string("revocation list of Intel's root CA"); },
            [](const AmdIssuersId& i) {
                return fmt::format("{} and root certificate of AMD {}", i.vlek ? "ASVK" : "ASK",
                                   product_name(i.product));
            },
            [](const VcekId& i) {
                return fmt::format("VCEK of {} chip {}...", product_name(i.product),
                                   to_hex(ByteView(i.hw_id).first(4)));
            },
            [](const AmdCrlId& i) {
                return fmt::format("revocation list of AMD {} ({})", product_name(i.product),
                                   i.vlek ? "VLEK" : "VCEK");
            }},
        id);
}

}  // namespace attestd
