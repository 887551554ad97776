// What is read from HashiCorp Vault or OpenBao: how configuration names it
// (`spec/remote-verifiers.md` section 6.1).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd {

struct VaultResource {
    enum class Kind : std::uint8_t {
        kv2,      ///< a version of a secret of a KV version 2 engine
        read,     ///< any path that is read: a KV version 1 engine, or a lease on what is made anew
        transit,  ///< a ciphertext that a key of the transit engine decrypts
    };
    enum class Encoding : std::uint8_t { text, base64 };

    Kind kind = Kind::kv2;
    std::string mount;  ///< of the engine; this and the path are as they stand in a URL
    std::string path;   ///< below the mount; of transit: the key's name
    /// Empty: the value is the whole object, as the JSON text that came.
    std::string field;
    Encoding encoding = Encoding::text;  ///< of the field's text
    std::optional<std::uint32_t> version{};
    std::string ciphertext;  ///< of transit: "vault:v1:..."
    std::string context;     ///< of transit with a derived key: base64, or empty

    friend bool operator==(const VaultResource&, const VaultResource&) = default;
};

/// Reads one of these forms:
///   [vault://]MOUNT/PATH[#FIELD][?version=N][&encoding=b64]    KV version 2
///   vault+read://MOUNT/PATH[#FIELD][?encoding=b64]             any path
///   vault+transit://MOUNT/KEY#CIPHERTEXT[?context=BASE64]      transit
/// MOUNT is one part and PATH is parts joined by '/'; each part is of the characters that a URL
/// takes as they are, others as `%XX`. "encoding" goes with FIELD alone. At most 1024 characters;
/// of transit 65536. Errc::bad_name.
[[nodiscard]] Result<VaultResource> parse_vault_resource(std::string_view text);

/// Parts of a URL's path, joined by '/': 16 at most.
[[nodiscard]] bool is_url_path(std::string_view path) noexcept;

}  // namespace attestd
