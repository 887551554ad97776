#include "agent/platform_choice.h"

#include "agent/platform/external.h"

namespace attestd {

Result<std::unique_ptr<Platform>> make_platform(const PlatformConfig& config) {
    if (config.type == PlatformType::external) {
        return std::make_unique<ExternalPlatform>(config.socket.string());
    }
    return fail(Errc::platform_unsupported,
                "platform \"auto\" finds no evidence interface that this build supports; "
                "\"external\" names "
                "a plug-in's socket");
}

}  // namespace attestd
