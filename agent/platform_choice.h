// Which way to evidence this machine has.
#pragma once

#include <memory>

#include "config/config.h"
#include "quote/platform/platform.h"

namespace attestd {

/// The platform that configuration names, or that the kernel shows. Errc::platform_unsupported when
/// it shows none. A TDX guest's quote service is asked through the attestd-fetch at `fetch_socket`.
[[nodiscard]] Result<std::unique_ptr<Platform>> make_platform(
    const PlatformConfig& config, const std::filesystem::path& fetch_socket);

}  // namespace attestd
