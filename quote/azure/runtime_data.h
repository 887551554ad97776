// Runtime data: the JSON that an Azure paravisor binds to its report (`spec/snp.md` section 13).
//
// Microsoft adds members from time to time, so unknown ones are tolerated; a member that is known
// and of another type or form than it must be is not. Read only data whose binding was checked, or
// say that it was not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"
#include "quote/base/result.h"

namespace attestd {

/// An RSA public key of the paravisor's vTPM, as a JSON Web Key (RFC 7518 section 6.3.1).
struct HclKey {
    std::string kid;
    std::vector<std::string> key_ops;
    Bytes modulus, exponent;  ///< big-endian, as in the JSON

    /// RFC 7638: SHA-256 over the key's required members.
    [[nodiscard]] Sha256 thumbprint() const;
};

struct VmConfiguration {
    bool console_enabled = false, secure_boot = false, tpm_enabled = false;
    std::string vm_unique_id;
    std::optional<std::string> root_cert_thumbprint;
    std::optional<bool> tpm_persisted;
    std::optional<std::int64_t> current_time;  ///< seconds since 1970, of older paravisors
};

struct RuntimeData {
    HclKey attestation_key;                 ///< HCLAkPub: signs the vTPM's quotes
    std::optional<HclKey> endorsement_key;  ///< HCLEkPub
    VmConfiguration vm;
    std::optional<ByteArray<64>> user_data;  ///< what the guest wrote; zeros when it wrote nothing
};

/// Errc::bad_json, Errc::missing_key, Errc::wrong_type, Errc::bad_encoding, ...: which member, and
/// what was expected.
[[nodiscard]] Result<RuntimeData> parse_runtime_data(ByteView json);

}  // namespace attestd
