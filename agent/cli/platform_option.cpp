#include "agent/cli/platform_option.h"

#include <fmt/format.h>

#include "agent/platform/external.h"

namespace attestd::cli {

Result<std::unique_ptr<Platform>> make_platform(const std::string& text) {
    constexpr std::string_view kExternal = "external:";
    if (text.starts_with(kExternal) && text.size() > kExternal.size()) {
        return std::make_unique<ExternalPlatform>(text.substr(kExternal.size()));
    }
    return fail(Errc::bad_usage,
                fmt::format("--platform {}: external:/path/to/socket is expected", text));
}

}  // namespace attestd::cli
