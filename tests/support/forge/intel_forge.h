// The Intel hierarchy under a throw-away root: `spec/tdx.md` section 4.
//
//   Intel SGX Root CA ── Intel SGX PCK Platform (or Processor) CA ── Intel SGX PCK Certificate
//                     └─ Intel SGX TCB Signing
//
// Names, extensions and their order are those of the genuine certificates; every value is invented.
#pragma once

#include <optional>
#include <string>

#include "tests/support/forge/x509_forge.h"

namespace attestd::forge {

enum class PckCa : std::uint8_t { platform, processor };

struct PckConfiguration {
    bool dynamic_platform = true;
    bool cached_keys = true;
    bool smt_enabled = true;
};

/// What the SGX extension of a PCK certificate says about a machine.
struct PckFields {
    ByteArray<16> ppid{0x5a, 0x17, 0xc3, 0x08, 0x9e, 0x41, 0xd2, 0x6b,
                       0x70, 0xe5, 0x1f, 0x93, 0x2c, 0x84, 0xb6, 0x0d};
    ByteArray<16> components{3, 3, 2, 2, 4, 1, 0, 5};  ///< SGX TCB component SVN 01..16
    std::uint16_t pcesvn = 13;
    std::optional<ByteArray<16>> cpusvn;  ///< the components, unless given
    ByteArray<2> pceid{0, 0};
    ByteArray<6> fmspc{0x70, 0xc0, 0x6f, 0, 0, 0};
    std::uint8_t sgx_type = 1;  ///< 0 Standard, 1 Scalable, 2 ScalableWithIntegrity
    /// The last two only under the platform CA.
    std::optional<ByteArray<16>> platform_instance_id =
        ByteArray<16>{0xc1, 0x0f, 0x62, 0x95, 0x3d, 0xa8, 0x4e, 0x77,
                      0x06, 0xbb, 0x29, 0xf0, 0x58, 0x13, 0xec, 0x81};
    std::optional<PckConfiguration> configuration = PckConfiguration{};
};

inline constexpr std::string_view kSgxExtensionOid = "1.2.840.113741.1.13.1";

/// The fields that a processor CA certifies: no platform instance id, no configuration.
[[nodiscard]] PckFields processor_fields();

/// The pairs of the SGX extension, each a DER SEQUENCE of OID and value, in the genuine order:
/// PPID, TCB, PCEID, FMSPC, SGXType, and two more under the platform CA. A test may drop, repeat or
/// reorder them.
[[nodiscard]] std::vector<Bytes> sgx_extension_pairs(const PckFields& fields);
/// The extension's value around such pairs.
[[nodiscard]] Extension sgx_extension(const std::vector<Bytes>& pairs);

/// Names as Intel writes them, with the given common name.
[[nodiscard]] Name intel_name(std::string_view common_name);

struct IntelKeys {
    SigningKey root{KeyKind::p256};
    SigningKey pck_ca{KeyKind::p256};
    SigningKey tcb_signing{KeyKind::p256};
    SigningKey pck{KeyKind::p256};
    SigningKey attestation{KeyKind::p256};

    /// Keys kept in the open folder `dir`, made there when absent.
    [[nodiscard]] static Result<IntelKeys> load_or_create(const Fd& dir);
};

/// One set of keys for the life of the process: for the tests that need no key of their own.
[[nodiscard]] const IntelKeys& shared_intel_keys();

struct IntelValidity {
    Window root;
    Window authorities;  ///< the PCK CA and the TCB signer
    Window pck;

    /// Like Intel's: root 31 years, authorities 15, leaf 7; all began before `now`.
    [[nodiscard]] static IntelValidity around(Time now);
};

/// A hierarchy with its certificates made. The specs behind them are to be had one by one, for
/// tests that want one certificate different.
struct IntelHierarchy {
    IntelHierarchy(IntelKeys keys, const IntelValidity& validity, PckCa ca = PckCa::platform);

    [[nodiscard]] Issuer root_issuer() const;
    [[nodiscard]] Issuer pck_issuer() const;

    [[nodiscard]] CertificateSpec root_spec() const;
    [[nodiscard]] CertificateSpec pck_ca_spec() const;
    [[nodiscard]] CertificateSpec tcb_signing_spec() const;
    [[nodiscard]] CertificateSpec pck_spec(const PckFields& fields) const;

    /// A PCK leaf for a machine with these fields, DER.
    [[nodiscard]] Bytes pck(const PckFields& fields) const;

    /// Specs of the root's list and the PCK CA's list, with nothing revoked.
    [[nodiscard]] CrlSpec root_crl_spec(Window validity) const;
    [[nodiscard]] CrlSpec pck_crl_spec(Window validity) const;

    /// Leaf, PCK CA and root as PEM, one after another.
    [[nodiscard]] std::string pck_chain(ByteView leaf) const;
    /// PCK CA and root; TCB signer and root.
    [[nodiscard]] std::string pck_crl_issuer_chain() const;
    [[nodiscard]] std::string tcb_signing_chain() const;

    IntelKeys keys;
    IntelValidity validity;
    PckCa ca;
    Bytes root, pck_ca, tcb_signing;  ///< certificates, DER
};

}  // namespace attestd::forge
