// --platform: evidence and derived keys straight from a platform, without the daemon.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/command.h"
#include "quote/platform/platform.h"

namespace attestd::cli {

inline constexpr const char* kPlatformHelp =
    "where evidence comes from: auto, configfs_tsm, sev_guest, tdx_guest (or tdx_guest:vsock://"
    "CID:PORT, with the host's quote service), azure_vtpm (or azure_vtpm:/path, with the socket of "
    "attestd-azure-vtpm), or a plug-in's socket as /path or external:/path";

/// The platform that `text` names. Errc::bad_usage; Errc::platform_unsupported when "auto" finds
/// none.
[[nodiscard]] Result<std::unique_ptr<Platform>> make_platform(const std::string& text);

}  // namespace attestd::cli
