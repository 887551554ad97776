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

/// Where attestd-azure-vtpm listens, unless told otherwise.
inline constexpr const char* kAzureVtpmSocket = "/run/attestd/azure-vtpm.sock";

/// Who is at the other end.
enum class PlugInKind : std::uint8_t {
    external,    ///< whatever configuration names
    azure_vtpm,  ///< attestd-azure-vtpm, which has a vTPM's keys and no other
};

class ExternalPlatform final : public Platform {
 public:
    explicit ExternalPlatform(std::string socket_path, PlugInKind kind = PlugInKind::external);

    [[nodiscard]] std::string_view name() const noexcept override {
        return kind_ == PlugInKind::external ? "external" : "azure_vtpm";
    }
    [[nodiscard]] Result<Evidence> collect(const ReportData& report_data,
                                           Deadline deadline) override;
    [[nodiscard]] Result<Secret> derive_key(const DerivedKeyRequest& request,
                                            Deadline deadline) override;
    [[nodiscard]] bool has_vtpm() const noexcept override {
        return kind_ == PlugInKind::azure_vtpm;
    }
    [[nodiscard]] Result<Secret> derive_vtpm_key(const VtpmKeyRequest& request,
                                                 Deadline deadline) override;

 private:
    [[nodiscard]] Result<Secret> ask_for_key(const std::string& body, Deadline deadline);

    UnixClient client_;
    PlugInKind kind_;
};

}  // namespace attestd
