// A provisioning package: secrets, encrypted to the key of one request. Parsing and writing in one
// place.
//
// It is a JWE in the flattened form (quote/jose/jwe.h), ECDH-ES+A256KW with A256GCM. Its protected
// header binds the request: `typ` says what it is, `kid` is the key's thumbprint, `apu` the
// daemon's instance and `apv` the request's id, which both go into the key agreement. The plaintext
// is
//
//   u32be(len) | {"attestd_provision": 1, "names": "policy"|"store",
//                 "secrets": [{"name", "len", "version"}...]} | the values, one after another
//
// so that no value ever stands in a JSON parser's memory, which nobody clears.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/provision/request.h"
#include "agent/store/store.h"
#include "quote/jose/jwe.h"

namespace attestd {

inline constexpr std::size_t kMaxPackageSecrets = 256;
/// Of all values together. The memory for secrets (4 MiB) holds a package twice, and more besides.
inline constexpr std::size_t kMaxPackageValuesLen = (std::size_t{1} << 20) + (std::size_t{1} << 18);

/// Whose names those of a package are.
enum class PackageNames : std::uint8_t {
    policy,  ///< as `attestctl secret put` takes them
    store,   ///< as the store itself has them
};

struct Package {
    PackageNames names = PackageNames::policy;
    std::vector<NewSecret> secrets;
};

/// A well-formed package; nothing in it is believed before open_package().
struct SealedPackage {
    Jwe message;
    ProvisionId id;
    ProvisionId instance;
};

/// Encrypts `secrets` to the request's key. Errc::bad_value for none, an empty value or a name
/// twice; Errc::secret_too_large; Errc::too_large above the limits; Errc::crypto_failed,
/// Errc::memory_locked.
[[nodiscard]] Result<std::string> seal_package(const ProvisionBody& request, PackageNames names,
                                               std::span<const NewSecret> secrets);

/// Errc::unsupported_type for a JWE that is no package; errors of Jwe::parse().
[[nodiscard]] Result<SealedPackage> parse_package(std::string_view text, std::string name);

/// Decrypts. Errc::jwe_undecrypted; Errc::bad_value and errors of JSON when the sender did not
/// follow the form.
[[nodiscard]] Result<Package> open_package(const SealedPackage& sealed, const JosePrivateKey& key);

}  // namespace attestd
