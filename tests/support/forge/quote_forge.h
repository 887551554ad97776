// SGX and TDX quotes of versions 3, 4 and 5: `spec/tdx.md` section 3.
//
// A quote is made in steps, so that a test can go wrong at any of them: a body, the bytes that are
// signed, the quoting enclave's report bound to the attestation key, then QuoteParts, whose members
// may still be changed and signed again before assemble() writes the quote.
#pragma once

#include <optional>
#include <variant>

#include "tests/support/forge/intel_forge.h"

namespace attestd::forge {

struct QuoteHeader {
    std::uint16_t version = 4;
    std::uint16_t attestation_key_type = 2;  ///< ECDSA on P-256
    std::uint32_t tee_type = 0x81;           ///< TDX; 0 is SGX
    std::uint16_t qe_svn = 0;
    std::uint16_t pce_svn = 0;
    ByteArray<16> vendor_id{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                            0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};  ///< Intel's QE
    ByteArray<20> user_data{0x3e, 0x95, 0x0a, 0xd7, 0x12, 0xc8, 0x6f, 0x41,
                            0xb0, 0x28, 0x57, 0xe3, 0x9d, 0x64, 0x0b, 0xfa};
};

/// An SGX enclave's report: body of an SGX quote, and the quoting enclave's own.
struct EnclaveReport {
    ByteArray<16> cpusvn{3, 3, 2, 2, 4, 1, 0, 5};
    std::uint32_t miscselect = 0;
    std::uint64_t flags = 0x05;  ///< INIT, MODE64BIT; bit 1 is DEBUG
    std::uint64_t xfrm = 0xe7;
    ByteArray<32> mrenclave = default_mrenclave();
    ByteArray<32> mrsigner = default_mrsigner();
    std::uint16_t isvprodid = 1;
    std::uint16_t isvsvn = 4;
    ByteArray<64> report_data{};

    static ByteArray<32> default_mrenclave();
    static ByteArray<32> default_mrsigner();
};

/// A TD's report: TDX 1.0 uses the members up to report_data, 1.5 two more, 1.5ex all.
struct TdBody {
    ByteArray<16> tee_tcb_svn{5, 1, 3};
    ByteArray<48> mrseam = measurement("mrseam");
    ByteArray<48> mrsignerseam{};
    std::uint64_t seam_attributes = 0;
    std::uint64_t td_attributes = 0x10000000;  ///< SEPT_VE_DISABLE
    std::uint64_t xfam = 0x602e7;
    ByteArray<48> mrtd = measurement("mrtd");
    ByteArray<48> mrconfigid{};
    ByteArray<48> mrowner{};
    ByteArray<48> mrownerconfig{};
    std::array<ByteArray<48>, 4> rtmr{measurement("rtmr0"), measurement("rtmr1"),
                                      measurement("rtmr2"), ByteArray<48>{}};
    ByteArray<64> report_data{};
    // 1.5
    ByteArray<16> tee_tcb_svn2{5, 1, 3};
    ByteArray<48> mrservicetd{};
    // 1.5ex
    std::uint8_t vmid = 0;
    ByteArray<32> td_id{};
    ByteArray<48> devinfo{};
    ByteArray<48> init_servtd_hash{};
    std::uint64_t init_servtd_attr = 0;
    ByteArray<16> init_cpusvn{3, 3, 2, 2, 4, 1, 0, 5};
    ByteArray<16> init_tee_tcb_svn{5, 1, 3};
    ByteArray<12> init_tee_fmspc{};
    ByteArray<48> cur_servtd_hash{};
    std::uint64_t cur_servtd_attr = 0;

    /// A recognisable value: SHA-384 of a text that names the register.
    static ByteArray<48> measurement(std::string_view name);
};

/// Body types as version 5 numbers them.
enum class BodyType : std::uint16_t { enclave = 1, td10 = 2, td15 = 3, td15ex = 4 };

[[nodiscard]] Bytes header_bytes(const QuoteHeader& header);        ///< 48
[[nodiscard]] Bytes body_bytes(const EnclaveReport& report);        ///< 384
[[nodiscard]] Bytes body_bytes(const TdBody& body, BodyType type);  ///< 584, 648 or 885
/// Type and size as version 5 puts them before a body.
[[nodiscard]] Bytes body_descriptor(std::uint16_t type, std::uint32_t size);

/// The quoting enclave's side of a quote; make_parts() binds its report data to the attestation
/// key.
struct QeSpec {
    EnclaveReport report;
    Bytes auth_data = default_auth_data();

    static Bytes default_auth_data();  ///< 32 bytes
};

/// The quoting enclaves that the default identities describe.
[[nodiscard]] QeSpec td_qe();
[[nodiscard]] QeSpec sgx_qe();

/// What the QE report's data must be: SHA-256 of attestation key and auth data, then zeros.
[[nodiscard]] ByteArray<64> qe_binding(ByteView attestation_key, ByteView auth_data);

/// A quote taken apart. Lengths are computed by assemble(), unless given.
struct QuoteParts {
    std::uint16_t version = 4;
    Bytes signed_part;      ///< header, descriptor of version 5, body
    Bytes signature;        ///< r, s by the attestation key over signed_part
    Bytes attestation_key;  ///< X, Y
    Bytes qe_report;
    Bytes qe_report_signature;  ///< r, s by the PCK key over qe_report
    Bytes auth_data;
    std::uint16_t certification_type = 5;
    Bytes certification_data;
    Bytes padding;  ///< after the signature data
    // Wrong on purpose, when given:
    std::optional<std::uint16_t> outer_type;  ///< versions 4 and 5: 6
    std::optional<std::uint32_t> signature_data_len;
    std::optional<std::uint32_t> outer_len;
    std::optional<std::uint16_t> auth_data_len;
    std::optional<std::uint32_t> certification_data_len;

    /// Signs signed_part again, after a test changed it.
    void sign(const SigningKey& attestation);
    /// Signs qe_report again.
    void sign_qe(const SigningKey& pck);
    /// Makes qe_report's data fit attestation_key and auth_data again; sign_qe() comes after.
    void rebind_qe();
};

[[nodiscard]] Bytes assemble(const QuoteParts& parts);

struct QuoteSpec {
    QuoteHeader header;
    std::variant<TdBody, EnclaveReport> body = TdBody{};
    /// Which size a TdBody has; in version 5 also the descriptor's type.
    BodyType body_type = BodyType::td10;
    QeSpec qe = td_qe();
};

/// Specs with header, body and QE that go together.
[[nodiscard]] QuoteSpec sgx_v3();
[[nodiscard]] QuoteSpec sgx_v4();
[[nodiscard]] QuoteSpec sgx_v5();
[[nodiscard]] QuoteSpec tdx_v4();
[[nodiscard]] QuoteSpec tdx_v5(BodyType type);

/// Header, descriptor and body: what the attestation key signs.
[[nodiscard]] Bytes signed_part(const QuoteSpec& spec);

/// A quote correctly signed and bound by the hierarchy's keys, with certification data of type 5:
/// the PEM chain and a closing NUL.
[[nodiscard]] QuoteParts make_parts(const QuoteSpec& spec, const IntelHierarchy& intel,
                                    ByteView pck_leaf);
[[nodiscard]] Bytes forge_quote(const QuoteSpec& spec, const IntelHierarchy& intel,
                                ByteView pck_leaf);

/// Certification data of the other types.
[[nodiscard]] Bytes pck_chain_data(std::string_view pem_chain);  ///< type 5
/// Types 1, 2 and 3: PPID plain (16 bytes) or as much random-looking ciphertext as RSA-2048 or
/// RSA-3072 give, then CPUSVN, PCESVN and PCEID.
[[nodiscard]] Bytes ppid_data(std::uint16_t type, const PckFields& machine);

}  // namespace attestd::forge
