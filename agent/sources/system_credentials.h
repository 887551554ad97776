// System credentials: what the host can hand to a guest's systemd as though an administrator had
// set it (SMBIOS type 11, fw_cfg, the kernel command line, an EFI stub).
//
// systemd keeps them in /run/credentials/@system and @encrypted and lets LoadCredential= of any
// unit fall back to them. One of another name counts as well: `tmpfiles.extra` writes any file,
// also one that LoadCredential= takes a credential from. A service in a mount namespace of its own,
// as attestd's unit gives it, does not see those folders, nor does one in a container: that they
// are not there says nothing, and only the kernel command line says that they cannot be.
#pragma once

#include <string>
#include <vector>

#include "quote/base/result.h"
#include "quote/platform/system.h"

namespace attestd {

/// Closes the door, where the command line is measured.
inline constexpr std::string_view kNoImport = "systemd.import_credentials=no";

struct SystemCredentials {
    bool are_imported = true;          ///< the kernel command line does not say no
    bool are_hidden = true;            ///< from this process
    std::vector<std::string> folders;  ///< those that exist, as far as can be seen
    std::vector<std::string> filled;   ///< of those: that hold something, or cannot be read

    /// Whether it was seen that the host set none: a folder for them is there, and empty.
    [[nodiscard]] bool is_none_seen() const noexcept {
        return !are_hidden && !folders.empty() && filled.empty();
    }
};
[[nodiscard]] SystemCredentials look_for_system_credentials(System& system);

/// That the credential `id` cannot have come from the host: none of that name is among the system
/// credentials, and none are imported, or it is seen that there are none at all.
/// Errc::credential_injected says which.
[[nodiscard]] Result<void> check_not_injected(System& system, const std::string& id);

}  // namespace attestd
