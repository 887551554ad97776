// The address from which systemd connects for LoadCredential= (spec/systemd-credentials.md).
//
// An abstract Unix address: NUL, a random number of up to 16 hexadecimal digits, "/unit/", the
// unit's name, "/", the credential's id. Anybody may bind one like it: it is a claim, never an
// identity.
#pragma once

#include <string>
#include <string_view>

#include "quote/base/bytes.h"
#include "quote/base/result.h"

namespace attestd {

struct CredentialAddress {
    std::string unit;  ///< as claimed: "app.service"
    std::string id;    ///< of the credential

    friend bool operator==(const CredentialAddress&, const CredentialAddress&) = default;
};

/// Reads what stands in sun_path. Errc::credential_refused for any other form.
[[nodiscard]] Result<CredentialAddress> parse_credential_address(ByteView sun_path);

/// The secret that a credential's id means. An id holds no '/', so a '+' stands for each:
/// "db+password" is "db/password". Errc::credential_refused when that is no secret's name.
[[nodiscard]] Result<std::string> secret_of_credential(std::string_view id);

}  // namespace attestd
