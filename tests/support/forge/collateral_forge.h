// The endorsements of an Intel quote as Intel's service gives them: `spec/tdx.md` section 5.
//
// TCB info (version 3) and enclave identities are plain structs that become JSON with the members
// in the order of the genuine documents; they are signed over exactly those bytes. Vectors stand
// where the format wants a fixed number, so that a test can give another.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quote/base/time.h"
#include "tests/support/forge/intel_forge.h"

namespace attestd::forge {

struct TcbComponent {
    std::uint32_t svn = 0;  ///< 0..255; wider, so that a test can overstep
    std::string category, type;
};

struct TcbLevel {
    std::vector<TcbComponent> sgx;  ///< 16
    std::uint32_t pcesvn = 0;
    std::vector<TcbComponent> tdx;  ///< 16, or empty in an SGX document
    Time date;
    std::string status = "UpToDate";
    std::vector<std::string> advisories;
};

/// A level of a TDX module or of an enclave.
struct IsvLevel {
    std::uint32_t isvsvn = 0;
    Time date;
    std::string status = "UpToDate";
    std::vector<std::string> advisories;
};

struct TdxModule {
    ByteArray<48> mrsigner{};
    ByteArray<8> attributes{};
    ByteArray<8> attributes_mask{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
};

struct TdxModuleIdentity {
    std::string id = "TDX_03";
    TdxModule module;
    std::vector<IsvLevel> levels;
};

struct TcbInfo {
    std::string id = "TDX";  ///< or "SGX"
    std::uint32_t version = 3;
    Time issue_date, next_update;
    ByteArray<6> fmspc{};
    ByteArray<2> pceid{};
    std::uint32_t tcb_type = 0;
    std::uint32_t tcb_evaluation_data_number = 19;
    std::optional<TdxModule> module;                           ///< TDX only
    std::optional<std::vector<TdxModuleIdentity>> identities;  ///< TDX only
    std::vector<TcbLevel> levels;
};

struct EnclaveIdentity {
    std::string id = "TD_QE";  ///< or "QE"
    std::uint32_t version = 2;
    Time issue_date, next_update;
    std::uint32_t tcb_evaluation_data_number = 19;
    ByteArray<4> miscselect{};
    ByteArray<4> miscselect_mask{0xff, 0xff, 0xff, 0xff};
    ByteArray<16> attributes{0x11};
    ByteArray<16> attributes_mask{0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    ByteArray<32> mrsigner{};
    std::uint32_t isvprodid = 2;
    std::vector<IsvLevel> levels;
};

/// Component lists of 16 from the leading SVNs, with Intel's categories and types.
[[nodiscard]] std::vector<TcbComponent> sgx_components(ByteView svns);
[[nodiscard]] std::vector<TcbComponent> tdx_components(ByteView svns);

/// MRSIGNER of the synthetic quoting enclaves: no genuine one's.
[[nodiscard]] ByteArray<32> qe_mrsigner(std::string_view identity);

/// Documents by which the default machine (`PckFields{}`, `TdBody{}`, the default QE) is UpToDate:
/// one level that it meets exactly, one below that is OutOfDate. Module identities TDX_01 and
/// TDX_03.
[[nodiscard]] TcbInfo tdx_tcb_info(const PckFields& machine, Window validity);
[[nodiscard]] TcbInfo sgx_tcb_info(const PckFields& machine, Window validity);
[[nodiscard]] EnclaveIdentity td_qe_identity(Window validity);
[[nodiscard]] EnclaveIdentity qe_identity(Window validity);

/// The signed text, compact, members in Intel's order.
[[nodiscard]] std::string to_json(const TcbInfo& info);
[[nodiscard]] std::string to_json(const EnclaveIdentity& identity);

/// r then s over the exact bytes, in hexadecimal.
[[nodiscard]] std::string sign_text(std::string_view text, const SigningKey& key);

/// `{"tcbInfo":{...},"signature":"..."}`: a document as Intel's service sends it. `key` is
/// "tcbInfo" or "enclaveIdentity".
[[nodiscard]] std::string pcs_document(std::string_view key, std::string_view text,
                                       std::string_view signature);

/// Everything that a quote needs beside its own chain.
struct Collateral {
    std::string pck_crl_issuer_chain;
    Bytes root_ca_crl, pck_crl;  ///< DER
    std::string tcb_info_issuer_chain, tcb_info, tcb_info_signature;
    std::string qe_identity_issuer_chain, qe_identity, qe_identity_signature;
};

/// Collateral from these parts, signed by the hierarchy's keys. CRLs have the given lists revoked.
struct CollateralSpec {
    TcbInfo tcb_info;
    EnclaveIdentity qe_identity;
    CrlSpec root_crl, pck_crl;
};
[[nodiscard]] Collateral sign_collateral(const CollateralSpec& spec, const IntelHierarchy& intel);

/// The spec for a machine, all parts valid in `validity`.
[[nodiscard]] CollateralSpec tdx_collateral(const IntelHierarchy& intel, const PckFields& machine,
                                            Window validity);
[[nodiscard]] CollateralSpec sgx_collateral(const IntelHierarchy& intel, const PckFields& machine,
                                            Window validity);

/// The common one-file JSON with its nine keys, indented by one blank.
[[nodiscard]] std::string to_json(const Collateral& collateral);

}  // namespace attestd::forge
