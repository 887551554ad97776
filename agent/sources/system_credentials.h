// System credentials: what the host can hand to a guest's systemd as though an administrator had
// set it (SMBIOS type 11, fw_cfg, the kernel command line, an EFI stub).
//
// systemd keeps them in /run/credentials/@system and @encrypted and lets LoadCredential= of any
// unit fall back to them. A service in a mount namespace of its own, as attestd's unit gives it,
// does not see those folders: then only the kernel command line says that they cannot be there.
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
};
[[nodiscard]] SystemCredentials look_for_system_credentials(System& system);

/// That the credential `id` cannot have come from the host: none of that name is among the system
/// credentials, and that can be seen, or none are imported. Errc::credential_injected says which.
[[nodiscard]] Result<void> check_not_injected(System& system, const std::string& id);

}  // namespace attestd
