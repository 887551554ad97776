// What an Azure confidential VM's paravisor publishes, under a throw-away attestation key:
// `spec/snp.md` section 13. Nothing is checked here: what is asked for is written.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/ossl.h"
#include "tests/support/forge/quote_forge.h"

namespace attestd::forge {

/// An RSA key of a vTPM. Made when first used; copies share it.
class VtpmKey final {
 public:
    explicit VtpmKey(unsigned bits = 2048, unsigned exponent = 65537);
    /// The public part of a key that a TPM keeps, with the exponent 65537; it signs nothing.
    [[nodiscard]] static VtpmKey of_tpm(ByteView modulus);

    [[nodiscard]] Bytes modulus() const;
    [[nodiscard]] Bytes exponent() const;
    /// RSASSA-PKCS1-v1_5 with SHA-256, as a TPM signs.
    [[nodiscard]] Bytes sign(ByteView message) const;
    /// RSASSA-PSS with SHA-256: not what a quote must carry.
    [[nodiscard]] Bytes sign_pss(ByteView message) const;
    /// The private operation on a block of the modulus's length: for blocks nobody should accept.
    [[nodiscard]] Bytes sign_block(ByteView block) const;
    /// The block that sign() puts under the private operation.
    [[nodiscard]] Bytes pkcs1_block(ByteView message) const;

 private:
    explicit VtpmKey(EvpPkey key) : key_(std::move(key)) {}
    std::shared_ptr<EVP_PKEY> key_;
};

/// One for the life of the process, and another that no runtime data names.
[[nodiscard]] const VtpmKey& shared_vtpm_key();
[[nodiscard]] const VtpmKey& other_vtpm_key();

/// The JSON that the paravisor binds. `*_json` members are written as they stand.
struct RuntimeSpec {
    VtpmKey key = shared_vtpm_key();
    bool endorsement_key = true;  ///< whether HCLEkPub is there too
    bool console_enabled = false, secure_boot = true, tpm_enabled = true;
    std::string vm_unique_id = "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0";
    std::optional<std::string> user_data = std::string(128, '0');  ///< hexadecimal
    std::string more_json;     ///< further members, each with a comma before it
    std::string more_vm_json;  ///< the same, of vm-configuration
    std::string more_keys_json;
};
[[nodiscard]] std::string runtime_json(const RuntimeSpec& spec);

/// REPORT_DATA for runtime data under hash type 1, 2 or 3.
[[nodiscard]] ByteArray<64> bound_report_data(std::string_view runtime, std::uint32_t hash = 1);

/// A blob; lengths are computed, unless given.
struct HclSpec {
    Bytes hardware_report;  ///< 1184 bytes, or 1024
    std::string runtime;
    std::uint32_t version = 1, request_type = 2, status = 0;
    std::uint32_t data_version = 1, report_type = 2, hash = 1;
    std::optional<std::uint32_t> report_size, data_size, variable_data_size;
    std::size_t blob_len = 2600;  ///< zero-padded to this
};
[[nodiscard]] Bytes hcl_blob(const HclSpec& spec);

/// A TDREPORT (1024 bytes) that says what `body` says; `version` 1 has the fields of TDX 1.5.
[[nodiscard]] Bytes tdreport_bytes(const TdBody& body, std::uint8_t version = 0);

/// A vTPM's quote.
struct VtpmQuoteSpec {
    std::uint32_t magic = 0xff544347;
    std::uint16_t type = 0x8018;
    Bytes nonce;
    struct Bank {
        std::uint16_t hash = 0x000b;
        Bytes mask{0xff, 0xff, 0xff};
    };
    std::vector<Bank> banks{Bank{}};
    std::array<Sha256, 24> pcrs = default_pcrs();
    std::optional<Bytes> digest;  ///< of the PCRs, unless given
    Bytes trailing;

    static std::array<Sha256, 24> default_pcrs();
};
[[nodiscard]] Bytes attest_bytes(const VtpmQuoteSpec& spec);
/// TPMT_SIGNATURE around an RSA block.
[[nodiscard]] Bytes tpmt_signature(ByteView block, std::uint16_t algorithm = 0x0014,
                                   std::uint16_t hash = 0x000b);

}  // namespace attestd::forge
