// FuseMount: a DeviceTree as a mounted file system, served by threads of its own.
#pragma once

#include <memory>
#include <string>

#include "quote/base/result.h"
#include "tests/emulator/fuse/device_tree.h"

namespace attestd::devsim {

class FuseMount final {
 public:
    /// Mounts `tree`, which must outlive the mount, on the folder `path`, which is made when it is
    /// not there. Errc::unavailable where FUSE is not to be had.
    [[nodiscard]] static Result<std::unique_ptr<FuseMount>> mount(DeviceTree& tree,
                                                                  const std::string& path);
    /// Unmounts it, and waits for its threads.
    ~FuseMount();
    FuseMount(const FuseMount&) = delete;
    FuseMount& operator=(const FuseMount&) = delete;

 private:
    struct Session;
    explicit FuseMount(std::unique_ptr<Session> session);
    std::unique_ptr<Session> session_;
};

}  // namespace attestd::devsim
