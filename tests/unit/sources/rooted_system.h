// A System whose root is a folder: real files, links and modes, below it.
#pragma once

#include <memory>

#include "tests/support/system_below.h"
#include "tests/support/temp_dir.h"

namespace attestd::test {

class RootedSystem final : public SystemBelow {
 public:
    RootedSystem() : RootedSystem(std::make_unique<TempDir>()) {}

    SysResult<NodeInfo> stat(int fd) override {
        auto info = SystemBelow::stat(fd);
        if (info) info->uid += uid_offset;
        return info;
    }

    const TempDir& dir() const noexcept { return *dir_; }
    std::uint32_t uid_offset = 0;  // every file is another's

 private:
    explicit RootedSystem(std::unique_ptr<TempDir> dir)
        : SystemBelow(dir->path().string()), dir_(std::move(dir)) {}
    std::unique_ptr<TempDir> dir_;
};

// What an ordinary mount table and an ordinary command line look like.
inline const std::string kPlainMounts =
    "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
    "31 22 0:26 / /run rw,nosuid shared:5 - tmpfs tmpfs rw\n"
    "71 31 0:51 / /run/credentials/@system ro,relatime - ramfs ramfs rw\n";
inline const std::string kOwnMounts =
    kPlainMounts + "90 31 0:60 / /run/credentials rw,nosuid - tmpfs tmpfs rw,mode=755\n";
inline const std::string kOpenLine = "root=/dev/vda1 quiet\n";
inline const std::string kClosedLine = "root=/dev/vda1 systemd.import_credentials=no quiet\n";

}  // namespace attestd::test
