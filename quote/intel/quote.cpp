#include "quote/intel/quote.h"

#include <fmt/format.h>

namespace attestd {
namespace {

constexpr std::size_t kHeaderLen = 48;
constexpr std::size_t kEnclaveReportLen = 384;
constexpr std::size_t kTdReport10Len = 584;
constexpr std::size_t kTdReport15Len = 648;
constexpr std::size_t kTdReport15exLen = 885;
constexpr std::size_t kSignatureLen = 64;
constexpr std::uint16_t kCertDataQeReport = 6;

// Body types of version 5's descriptor.
constexpr std::uint16_t kBodySgx = 1, kBodyTd10 = 2, kBodyTd15 = 3, kBodyTd15ex = 4;

Result<QuoteHeader> parse_header(Reader& in) {
    QuoteHeader h{};
    ATTESTD_TRY(h.version, in.u16le("header.version"));
    if (h.version < 3 || h.version > 5) {
        return fail(Errc::unsupported_version,
                    fmt::format("header.version at byte 0: {}, known are 3, 4 and 5", h.version));
    }
    ATTESTD_TRY(h.att_key_type, in.u16le("header.att_key_type"));
    if (h.att_key_type != kAttKeyEcdsaP256) {
        return fail(Errc::unsupported_type,
                    fmt::format("header.att_key_type at byte 2: {}, only 2 (ECDSA P-256) is known",
                                h.att_key_type));
    }
    ATTESTD_TRY(h.tee_type, in.u32le("header.tee_type"));
    const bool tee_known =
        h.tee_type == kTeeTypeSgx || (h.tee_type == kTeeTypeTdx && h.version != 3);
    if (!tee_known) {
        return fail(Errc::unsupported_type,
                    fmt::format("header.tee_type at byte 4: 0x{:x} in a version {} quote",
                                h.tee_type, h.version));
    }
    ATTESTD_TRY(h.qe_svn, in.u16le("header.qe_svn"));
    ATTESTD_TRY(h.pce_svn, in.u16le("header.pce_svn"));
    ATTESTD_TRY(h.qe_vendor_id, in.array<16>("header.qe_vendor_id"));
    ATTESTD_TRY(h.user_data, in.array<20>("header.user_data"));
    return h;
}

Result<TdReportEx> parse_td_report_ex(Reader& in) {
    TdReportEx ex{};
    ATTESTD_TRY(ex.vm_id, in.u8("body.vm_id"));
    ATTESTD_TRY(ex.td_id, in.array<32>("body.td_id"));
    ATTESTD_TRY(ex.dev_info, in.array<48>("body.devinfo"));
    ATTESTD_TRY(ex.init_servtd_hash, in.array<48>("body.init_servtd_hash"));
    ATTESTD_TRY(ex.init_servtd_attr, in.array<8>("body.init_servtd_attr"));
    ATTESTD_TRY(ex.init_cpu_svn, in.array<16>("body.init_cpusvn"));
    ATTESTD_TRY(ex.init_tee_tcb_svn, in.array<16>("body.init_tee_tcb_svn"));
    ATTESTD_TRY(ex.init_tee_fmspc, in.array<12>("body.init_tee_fmspc"));
    ATTESTD_TRY(ex.cur_servtd_hash, in.array<48>("body.cur_servtd_hash"));
    ATTESTD_TRY(ex.cur_servtd_attr, in.array<8>("body.cur_servtd_attr"));
    return ex;
}

// `len` is one of the three sizes of a TD report; the reader holds exactly that many bytes.
Result<TdReport> parse_td_report(Reader in, std::size_t len) {
    TdReport td{};
    ATTESTD_TRY(td.tee_tcb_svn, in.array<16>("body.tee_tcb_svn"));
    ATTESTD_TRY(td.mr_seam, in.array<48>("body.mrseam"));
    ATTESTD_TRY(td.mr_signer_seam, in.array<48>("body.mrsignerseam"));
    ATTESTD_TRY(td.seam_attributes, in.array<8>("body.seam_attributes"));
    ATTESTD_TRY(td.td_attributes, in.array<8>("body.td_attributes"));
    ATTESTD_TRY(td.xfam, in.array<8>("body.xfam"));
    ATTESTD_TRY(td.mr_td, in.array<48>("body.mrtd"));
    ATTESTD_TRY(td.mr_config_id, in.array<48>("body.mrconfigid"));
    ATTESTD_TRY(td.mr_owner, in.array<48>("body.mrowner"));
    ATTESTD_TRY(td.mr_owner_config, in.array<48>("body.mrownerconfig"));
    for (auto& rtmr : td.rtmr) {
        ATTESTD_TRY(rtmr, in.array<48>("body.rtmr"));
    }
    ATTESTD_TRY(td.report_data, in.array<64>("body.report_data"));
    if (len >= kTdReport15Len) {
        ATTESTD_TRY(td.tee_tcb_svn2, in.array<16>("body.tee_tcb_svn2"));
        ATTESTD_TRY(td.mr_service_td, in.array<48>("body.mrservicetd"));
    }
    if (len >= kTdReport15exLen) {
        ATTESTD_TRY(td.ex, parse_td_report_ex(in));
    }
    ATTESTD_CHECK(in.finish("body"));
    return td;
}

// Size of a version 5 body of `type`; 0 for a type that is not known or does not fit the TEE.
std::size_t v5_body_len(std::uint16_t type, std::uint32_t tee) noexcept {
    if (tee == kTeeTypeSgx) return type == kBodySgx ? kEnclaveReportLen : 0;
    switch (type) {
        case kBodyTd10:
            return kTdReport10Len;
        case kBodyTd15:
            return kTdReport15Len;
        case kBodyTd15ex:
            return kTdReport15exLen;
        default:
            return 0;
    }
}

Result<std::size_t> parse_body_len(Reader& in, const QuoteHeader& header) {
    if (header.version != 5) {
        return header.tee_type == kTeeTypeSgx ? kEnclaveReportLen : kTdReport10Len;
    }
    const std::size_t at = in.offset();
    ATTESTD_TRY(const std::uint16_t type, in.u16le("body_descriptor.type"));
    ATTESTD_TRY(const std::uint32_t size, in.u32le("body_descriptor.size"));
    const std::size_t len = v5_body_len(type, header.tee_type);
    if (len == 0) {
        return fail(
            Errc::unsupported_type,
            fmt::format("body_descriptor.type at byte {}: {} does not exist for TEE type 0x{:x}",
                        at, type, header.tee_type));
    }
    if (size != len) {
        return fail(Errc::bad_length,
                    fmt::format("body_descriptor.size at byte {}: {}, type {} has {} bytes", at + 2,
                                size, type, len));
    }
    return len;
}

Result<void> parse_body(Reader& in, IntelQuote& quote) {
    ATTESTD_TRY(const std::size_t len, parse_body_len(in, quote.header));
    ATTESTD_TRY(Reader body, in.sub(len, "body"));
    if (quote.header.tee_type == kTeeTypeTdx) {
        ATTESTD_TRY(quote.body, parse_td_report(body, len));
        return {};
    }
    ATTESTD_TRY(quote.body, parse_enclave_report(body, "body"));
    return {};
}

Result<void> parse_cert_data(Reader& in, ParsedQuote& out) {
    const std::size_t at = in.offset();
    ATTESTD_TRY(out.cert_data_type, in.u16le("certification_data.type"));
    if (out.cert_data_type < 1 || out.cert_data_type > kCertDataPckChain) {
        return fail(Errc::unsupported_type,
                    fmt::format("certification_data.type at byte {}: {}, known are 1 to 5", at,
                                out.cert_data_type));
    }
    ATTESTD_TRY(const std::uint32_t len, in.u32le("certification_data.length"));
    if (out.cert_data_type == kCertDataPckChain && len > kMaxPckChainLen) {
        return fail(Errc::too_large,
                    fmt::format("certification_data.length at byte {}: {}, at most {} are allowed",
                                at + 2, len, kMaxPckChainLen));
    }
    ATTESTD_TRY(out.cert_data, in.bytes(len, "certification_data"));
    return {};
}

// QE report, its signature, authentication data and certification data: to the end of `in`.
Result<void> parse_qe_part(Reader& in, ParsedQuote& out) {
    const Reader before = in;
    ATTESTD_TRY(out.qe_report_bytes, in.bytes(kEnclaveReportLen, "qe_report"));
    Reader report = before;
    ATTESTD_TRY(out.qe_report, parse_enclave_report(report, "qe_report"));
    ATTESTD_TRY(out.qe_report_signature, in.bytes(kSignatureLen, "qe_report_signature"));
    ATTESTD_TRY(const std::uint16_t auth_len, in.u16le("qe_auth_data.length"));
    ATTESTD_TRY(out.qe_auth_data, in.bytes(auth_len, "qe_auth_data"));
    ATTESTD_CHECK(parse_cert_data(in, out));
    return in.finish("signature_data");
}

Result<void> parse_signature_data(Reader& in, ParsedQuote& out) {
    ATTESTD_TRY(out.signature, in.bytes(kSignatureLen, "signature"));
    out.platform_part = in.rest();
    ATTESTD_TRY(out.attestation_key, in.bytes(kSignatureLen, "attestation_key"));
    if (out.quote.header.version == 3) return parse_qe_part(in, out);

    const std::size_t at = in.offset();
    ATTESTD_TRY(const std::uint16_t type, in.u16le("outer_certification_data.type"));
    if (type != kCertDataQeReport) {
        return fail(
            Errc::unsupported_type,
            fmt::format("outer_certification_data.type at byte {}: {}, must be 6", at, type));
    }
    ATTESTD_TRY(const std::uint32_t len, in.u32le("outer_certification_data.length"));
    ATTESTD_TRY(Reader inner, in.sub(len, "outer_certification_data"));
    ATTESTD_CHECK(in.finish("signature_data"));
    return parse_qe_part(inner, out);
}

}  // namespace

Result<EnclaveReport> parse_enclave_report(Reader& in, std::string_view what) {
    // Areas named reserved hold CONFIGID, ISVFAMILYID and the like on newer platforms: covered by
    // the signature, judged by nobody here, and so passed over.
    EnclaveReport r{};
    const auto skip = [&](std::size_t n) { return in.bytes(n, what); };
    ATTESTD_TRY(r.cpu_svn, in.array<16>(what));
    ATTESTD_TRY(r.misc_select, in.u32le(what));
    ATTESTD_CHECK(skip(28));
    ATTESTD_TRY(r.attributes, in.array<16>(what));
    ATTESTD_TRY(r.mr_enclave, in.array<32>(what));
    ATTESTD_CHECK(skip(32));
    ATTESTD_TRY(r.mr_signer, in.array<32>(what));
    ATTESTD_CHECK(skip(96));
    ATTESTD_TRY(r.isv_prod_id, in.u16le(what));
    ATTESTD_TRY(r.isv_svn, in.u16le(what));
    ATTESTD_CHECK(skip(60));
    ATTESTD_TRY(r.report_data, in.array<64>(what));
    return r;
}

Result<ParsedQuote> parse_intel_quote(ByteView bytes) {
    if (bytes.size() > kMaxQuoteLen) {
        return fail(Errc::too_large, fmt::format("quote: {} bytes, at most {} are read",
                                                 bytes.size(), kMaxQuoteLen));
    }
    Reader in(bytes);
    ParsedQuote out{};
    ATTESTD_TRY(out.quote.header, parse_header(in));
    ATTESTD_CHECK(parse_body(in, out.quote));
    out.signed_part = bytes.first(in.offset());
    ATTESTD_TRY(const std::uint32_t len, in.u32le("signature_data.length"));
    ATTESTD_TRY(Reader signature_data, in.sub(len, "signature_data"));
    ATTESTD_CHECK(parse_signature_data(signature_data, out));
    out.consumed = in.offset();
    // Guests hand out fixed buffers: zero bytes may follow the quote (3.3).
    if (auto padding = in.zeros(in.remaining(), "padding"); !padding) {
        return fail(Errc::trailing_bytes, padding.error().detail + " (bytes after the quote)");
    }
    return out;
}

bool looks_like_intel_quote(ByteView bytes) noexcept {
    if (bytes.size() < kHeaderLen) return false;
    const auto version = load_le<std::uint16_t>(bytes.first<2>());
    const auto key_type = load_le<std::uint16_t>(bytes.subspan<2, 2>());
    const auto tee = load_le<std::uint32_t>(bytes.subspan<4, 4>());
    return version <= 16 && key_type <= 16 && (tee == kTeeTypeSgx || tee == kTeeTypeTdx) &&
           key_type != 0;
}

const ByteArray<64>& IntelQuote::report_data() const noexcept {
    const auto* td = std::get_if<TdReport>(&body);
    return td != nullptr ? td->report_data : std::get_if<EnclaveReport>(&body)->report_data;
}

std::string IntelQuote::format() const {
    return fmt::format("{}-quote-v{}", is_tdx() ? "tdx" : "sgx", header.version);
}

std::string_view ParsedQuote::pck_chain() const noexcept {
    if (cert_data_type != kCertDataPckChain) return {};
    std::string_view text = as_text(cert_data);
    if (text.ends_with('\0')) text.remove_suffix(1);
    return text;
}

}  // namespace attestd
