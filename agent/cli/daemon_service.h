// DaemonService: secrets from the daemon's socket for workloads.
#pragma once

#include <string>

#include "agent/delivery/service.h"

namespace attestd::cli {

class DaemonService final : public SecretService {
 public:
    explicit DaemonService(std::string socket_path) : path_(std::move(socket_path)) {}

    [[nodiscard]] Result<SecretAnswer> ask(const std::string& name, const std::string& known,
                                           std::chrono::seconds wait) override;

 private:
    std::string path_;
};

}  // namespace attestd::cli
