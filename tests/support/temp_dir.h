// TempDir: a folder of its own for one test, gone with everything in it when the test ends.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "quote/base/bytes.h"

namespace attestd::test {

class TempDir final {
 public:
    /// Makes a folder with mode 0700. Its path is short enough for a Unix socket in it.
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
        return path_ / name;
    }

    /// Writes a file below the folder, making folders on the way, and returns its path.
    std::filesystem::path write(const std::string& name, ByteView bytes) const;
    std::filesystem::path write(const std::string& name, std::string_view text) const;

 private:
    std::filesystem::path path_;
};

}  // namespace attestd::test
