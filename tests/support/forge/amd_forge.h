// The AMD hierarchy under a throw-away root: `spec/snp.md` sections 4 and 6.
//
//   ARK ── ASK (SEV-<Product>) ── VCEK
//       └─ ASVK (SEV-VLEK-<Product>) ── VLEK
//
// One set of keys serves all products; names, serial numbers and extensions are the product's own.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/forge/x509_forge.h"

namespace attestd::forge {

enum class Product : std::uint8_t { milan, genoa, turin };

/// "Milan", "Genoa" or "Turin".
[[nodiscard]] std::string_view product_name(Product product) noexcept;

/// The components of a TCB version; fmc is Turin's alone.
struct SnpTcb {
    std::uint8_t fmc = 0, bootloader = 0, tee = 0, snp = 0, microcode = 0;

    /// Levels like those of machines in the field.
    [[nodiscard]] static SnpTcb typical(Product product);
    /// The same platform before its last update: lower in snp and microcode.
    [[nodiscard]] static SnpTcb outdated(Product product);
};

/// The eight bytes of TCB_VERSION in the product's order.
[[nodiscard]] ByteArray<8> tcb_bytes(const SnpTcb& tcb, Product product);
/// The other way; reserved bytes are dropped.
[[nodiscard]] SnpTcb tcb_from_bytes(const ByteArray<8>& bytes, Product product);

/// Length of the hardware id in a VCEK: 64 bytes, or 8 on Turin.
[[nodiscard]] std::size_t hwid_len(Product product) noexcept;
/// A chip id as the product's reports carry it: Turin fills 8 bytes of 64.
[[nodiscard]] ByteArray<64> default_chip_id(Product product);

/// Arc of the leaf extensions.
inline constexpr std::string_view kAmdArc = "1.3.6.1.4.1.3704.1";

[[nodiscard]] Name amd_name(std::string_view common_name);

struct AmdKeys {
    SigningKey ark{KeyKind::rsa4096};
    SigningKey ask{KeyKind::rsa4096};
    SigningKey asvk{KeyKind::rsa4096};
    SigningKey vcek{KeyKind::p384};
    SigningKey vlek{KeyKind::p384};

    /// Keys kept in the open folder `dir`, made there when absent. The VLEK side is not needed by
    /// an emulated machine: those two keys are not saved.
    [[nodiscard]] static Result<AmdKeys> load_or_create(const Fd& dir);
};

/// One set of keys for the life of the process; each is made when first used. Where the environment
/// names a folder in ATTESTD_TEST_KEYS, as Meson's tests do, they are kept there: RSA keys take
/// most of a short test's time.
[[nodiscard]] const AmdKeys& shared_amd_keys();

struct AmdValidity {
    Window authorities;  ///< ARK, ASK and ASVK: 25 years
    Window vcek;         ///< 7 years
    Window vlek;         ///< 1 year

    [[nodiscard]] static AmdValidity around(Time now);
};

/// Certificates are made when asked for: each costs an RSA signature, and ASVK a key.
class AmdHierarchy final {
 public:
    AmdHierarchy(Product product, AmdKeys keys, const AmdValidity& validity);

    [[nodiscard]] Product product() const noexcept { return product_; }
    [[nodiscard]] const AmdKeys& keys() const noexcept { return keys_; }

    [[nodiscard]] Issuer ark_issuer() const;
    [[nodiscard]] Issuer ask_issuer() const;
    [[nodiscard]] Issuer asvk_issuer() const;

    [[nodiscard]] CertificateSpec ark_spec() const;
    [[nodiscard]] CertificateSpec ask_spec() const;
    [[nodiscard]] CertificateSpec asvk_spec() const;
    /// A leaf for the chip and the TCB that its key was derived from.
    [[nodiscard]] CertificateSpec vcek_spec(const ByteArray<64>& chip_id, const SnpTcb& tcb) const;
    /// `csp_id` as in genuine ones: "CN=cc-us-east-2.amazonaws.com".
    [[nodiscard]] CertificateSpec vlek_spec(std::string_view csp_id, const SnpTcb& tcb) const;

    // The same, signed: DER.
    [[nodiscard]] Bytes ark() const;
    [[nodiscard]] Bytes ask() const;
    [[nodiscard]] Bytes asvk() const;
    [[nodiscard]] Bytes vcek(const ByteArray<64>& chip_id, const SnpTcb& tcb) const;
    [[nodiscard]] Bytes vlek(std::string_view csp_id, const SnpTcb& tcb) const;
    /// The ARK's revocation list, DER.
    [[nodiscard]] Bytes crl(Window validity,
                            const std::vector<RevokedCertificate>& revoked = {}) const;

 private:
    [[nodiscard]] CertificateSpec authority_spec(std::string_view common_name,
                                                 const SigningKey& key, std::uint32_t serial) const;
    [[nodiscard]] CertificateSpec leaf_spec(std::string_view common_name, const SigningKey& key,
                                            Window validity, std::string_view product_name,
                                            const SnpTcb& tcb) const;

    Product product_;
    AmdKeys keys_;
    AmdValidity validity_;
};

}  // namespace attestd::forge
