#include "tests/support/forge/quote_forge.h"

#include <algorithm>
#include <numeric>

#include "quote/base/digest.h"
#include "tests/support/forge/collateral_forge.h"
#include "tests/support/forge/writer.h"

namespace attestd::forge {
namespace {

constexpr std::uint16_t kOuterCertificationType = 6;
constexpr std::size_t kReportDataAt = 320;  // in an enclave report
constexpr std::uint64_t kQeFlags = 0x15;    // INIT, MODE64BIT, PROVISIONKEY
constexpr std::size_t kPpidLen = 16, kRsa2048Len = 256, kRsa3072Len = 384;

// QE report to certification data: the same bytes in all versions.
Bytes qe_certification(const QuoteParts& parts) {
    const auto auth_len = static_cast<std::uint16_t>(parts.auth_data.size());
    const auto data_len = static_cast<std::uint32_t>(parts.certification_data.size());
    Writer out;
    out.bytes(parts.qe_report).bytes(parts.qe_report_signature);
    out.u16(parts.auth_data_len.value_or(auth_len)).bytes(parts.auth_data);
    out.u16(parts.certification_type).u32(parts.certification_data_len.value_or(data_len));
    out.bytes(parts.certification_data);
    return std::move(out).take();
}

Bytes signature_data(const QuoteParts& parts) {
    const Bytes certification = qe_certification(parts);
    Writer out;
    out.bytes(parts.signature).bytes(parts.attestation_key);
    if (parts.version >= 4) {
        const auto len = static_cast<std::uint32_t>(certification.size());
        out.u16(parts.outer_type.value_or(kOuterCertificationType));
        out.u32(parts.outer_len.value_or(len));
    }
    out.bytes(certification);
    return std::move(out).take();
}

Bytes spec_body(const QuoteSpec& spec) {
    if (const auto* enclave = std::get_if<EnclaveReport>(&spec.body)) return body_bytes(*enclave);
    return body_bytes(std::get<TdBody>(spec.body), spec.body_type);
}

QeSpec qe_of(std::string_view identity, std::uint16_t isvprodid) {
    QeSpec qe;
    qe.report.flags = kQeFlags;
    qe.report.mrsigner = qe_mrsigner(identity);
    qe.report.isvprodid = isvprodid;
    return qe;
}

QuoteSpec sgx(std::uint16_t version) {
    QuoteSpec spec;
    spec.header.version = version;
    spec.header.tee_type = 0;
    spec.body = EnclaveReport{};
    spec.body_type = BodyType::enclave;
    spec.qe = sgx_qe();
    return spec;
}

}  // namespace

ByteArray<32> EnclaveReport::default_mrenclave() {
    return sha256(as_bytes("attestd synthetic mrenclave"));
}

ByteArray<32> EnclaveReport::default_mrsigner() {
    return sha256(as_bytes("attestd synthetic mrsigner"));
}

ByteArray<48> TdBody::measurement(std::string_view name) {
    return sha384({as_bytes("attestd synthetic "), as_bytes(name)});
}

Bytes QeSpec::default_auth_data() {
    Bytes data(32);
    std::iota(data.begin(), data.end(), std::uint8_t{0});
    return data;
}

QeSpec td_qe() { return qe_of("TD_QE", 2); }

QeSpec sgx_qe() { return qe_of("QE", 1); }

Bytes header_bytes(const QuoteHeader& header) {
    Writer out;
    out.u16(header.version).u16(header.attestation_key_type).u32(header.tee_type);
    out.u16(header.qe_svn).u16(header.pce_svn).bytes(header.vendor_id).bytes(header.user_data);
    return std::move(out).take();
}

Bytes body_bytes(const EnclaveReport& report) {
    Writer out;
    out.bytes(report.cpusvn).u32(report.miscselect).zeros(28).u64(report.flags).u64(report.xfrm);
    out.bytes(report.mrenclave).zeros(32).bytes(report.mrsigner).zeros(96);
    out.u16(report.isvprodid).u16(report.isvsvn).zeros(60).bytes(report.report_data);
    return std::move(out).take();
}

Bytes body_bytes(const TdBody& body, BodyType type) {
    Writer out;
    out.bytes(body.tee_tcb_svn).bytes(body.mrseam).bytes(body.mrsignerseam);
    out.u64(body.seam_attributes).u64(body.td_attributes).u64(body.xfam);
    out.bytes(body.mrtd).bytes(body.mrconfigid).bytes(body.mrowner).bytes(body.mrownerconfig);
    for (const ByteArray<48>& rtmr : body.rtmr) out.bytes(rtmr);
    out.bytes(body.report_data);
    if (type == BodyType::td15 || type == BodyType::td15ex) {
        out.bytes(body.tee_tcb_svn2).bytes(body.mrservicetd);
    }
    if (type == BodyType::td15ex) {
        out.u8(body.vmid).bytes(body.td_id).bytes(body.devinfo);
        out.bytes(body.init_servtd_hash).u64(body.init_servtd_attr);
        out.bytes(body.init_cpusvn).bytes(body.init_tee_tcb_svn).bytes(body.init_tee_fmspc);
        out.bytes(body.cur_servtd_hash).u64(body.cur_servtd_attr);
    }
    return std::move(out).take();
}

Bytes body_descriptor(std::uint16_t type, std::uint32_t size) {
    Writer out;
    out.u16(type).u32(size);
    return std::move(out).take();
}

ByteArray<64> qe_binding(ByteView attestation_key, ByteView auth_data) {
    const Sha256 digest = sha256({attestation_key, auth_data});
    ByteArray<64> out{};
    std::copy(digest.begin(), digest.end(), out.begin());
    return out;
}

void QuoteParts::sign(const SigningKey& attestation) {
    attestation_key = attestation.point();
    signature = attestation.sign_raw(signed_part);
}

void QuoteParts::rebind_qe() {
    const ByteArray<64> binding = qe_binding(attestation_key, auth_data);
    std::copy(binding.begin(), binding.end(), std::span(qe_report).subspan(kReportDataAt).begin());
}

void QuoteParts::sign_qe(const SigningKey& pck) { qe_report_signature = pck.sign_raw(qe_report); }

Bytes assemble(const QuoteParts& parts) {
    const Bytes data = signature_data(parts);
    Writer out;
    out.bytes(parts.signed_part);
    out.u32(parts.signature_data_len.value_or(static_cast<std::uint32_t>(data.size())));
    out.bytes(data).bytes(parts.padding);
    return std::move(out).take();
}

QuoteSpec sgx_v3() {
    QuoteSpec spec = sgx(3);
    spec.header.qe_svn = spec.qe.report.isvsvn;  // version 3 states both SVNs in the header
    spec.header.pce_svn = PckFields{}.pcesvn;
    return spec;
}

QuoteSpec sgx_v4() { return sgx(4); }

QuoteSpec sgx_v5() { return sgx(5); }

QuoteSpec tdx_v4() { return {}; }

QuoteSpec tdx_v5(BodyType type) {
    QuoteSpec spec;
    spec.header.version = 5;
    spec.body_type = type;
    return spec;
}

Bytes signed_part(const QuoteSpec& spec) {
    const Bytes body = spec_body(spec);
    Writer out;
    out.bytes(header_bytes(spec.header));
    if (spec.header.version == 5) {
        out.bytes(body_descriptor(static_cast<std::uint16_t>(spec.body_type),
                                  static_cast<std::uint32_t>(body.size())));
    }
    out.bytes(body);
    return std::move(out).take();
}

QuoteParts make_parts(const QuoteSpec& spec, const IntelHierarchy& intel, ByteView pck_leaf) {
    QuoteParts parts;
    parts.version = spec.header.version;
    parts.signed_part = signed_part(spec);
    parts.sign(intel.keys.attestation);
    parts.auth_data = spec.qe.auth_data;
    parts.qe_report = body_bytes(spec.qe.report);
    parts.rebind_qe();
    parts.sign_qe(intel.keys.pck);
    parts.certification_data = pck_chain_data(intel.pck_chain(pck_leaf));
    return parts;
}

Bytes forge_quote(const QuoteSpec& spec, const IntelHierarchy& intel, ByteView pck_leaf) {
    return assemble(make_parts(spec, intel, pck_leaf));
}

Bytes pck_chain_data(std::string_view pem_chain) {
    Bytes out = to_bytes(as_bytes(pem_chain));
    out.push_back(0);  // as Intel's library writes it
    return out;
}

Bytes ppid_data(std::uint16_t type, const PckFields& machine) {
    Writer out;
    out.bytes(machine.ppid);
    // Stands in for the ciphertext: nobody but Intel could read a real one either.
    const std::size_t len = type == 1 ? kPpidLen : type == 2 ? kRsa2048Len : kRsa3072Len;
    while (out.size() < len) out.bytes(ByteView(sha256(machine.ppid)).first(kPpidLen));
    out.bytes(machine.cpusvn.value_or(machine.components)).u16(machine.pcesvn).bytes(machine.pceid);
    return std::move(out).take();
}

}  // namespace attestd::forge
