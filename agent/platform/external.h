// ExternalPlatform: evidence and derived keys from a plug-in that listens on a Unix socket.
//
// The protocol is HTTP/1.1 and JSON (attestd-plugin(7)): POST /v1/evidence and POST /v1/derive-key.
// The plug-in stands where hardware stands, so its answers are read as strictly as a device's:
// evidence must carry the report data that was asked for, and a key of zeros is refused.
#pragma once

#include <string>

#include "agent/http/unix_client.h"
#include "quote/platform/platform.h"

namespace attestd {

class ExternalPlatform final : public Platform {
 public:
    explicit ExternalPlatform(std::string socket_path);

    [[nodiscard]] std::string_view name() const noexcept override { return "external"; }
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Deadline deadline) override;
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request,
                                            Deadline deadline) override;

 private:
    UnixClient client_;
};

}  // namespace attestd
