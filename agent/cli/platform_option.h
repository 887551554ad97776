// --platform: evidence and derived keys straight from a platform, without the daemon.
#pragma once

#include <memory>
#include <string>

#include "agent/cli/command.h"
#include "quote/platform/platform.h"

namespace attestd::cli {

inline constexpr const char* kPlatformHelp = "where evidence comes from: external:/path/to/socket";

/// The platform that `text` names. Errc::bad_usage.
[[nodiscard]] Result<std::unique_ptr<Platform>> make_platform(const std::string& text);

}  // namespace attestd::cli
