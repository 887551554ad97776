// Place: a file for a secret, in memory and nowhere else.
//
// The folder lies on ramfs, or on tmpfs that cannot be swapped out; nobody but its owner writes in
// it. The file is replaced as a whole: a reader sees the old bytes or the new ones.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "quote/base/fd.h"
#include "quote/base/secret.h"

namespace attestd {

/// What the kernel says about the folder.
struct PlaceFacts {
    std::uint64_t fs_magic = 0;  ///< statfs(2)
    bool is_noswap = false;      ///< mounted with "noswap" (tmpfs, from Linux 6.4)
    bool has_swap = false;       ///< some swap is active
    uid_t owner = 0;
    mode_t mode = 0;
    uid_t self = 0;  ///< this process' user
};

/// Errc::delivery_insecure says what is wrong with the folder, and what would mend it.
[[nodiscard]] Result<void> judge_place(const PlaceFacts& facts, std::string_view folder);

/// Whether the mount of device `major:minor` has the option "noswap", by /proc/self/mountinfo.
[[nodiscard]] bool is_noswap(std::string_view mountinfo, unsigned major, unsigned minor);

class Place final {
 public:
    /// `file` is absolute; its folder exists. `mode` gives nothing to others and no execution.
    /// Errc::delivery_insecure, Errc::bad_value, Errc::not_found and other errors of open(2).
    [[nodiscard]] static Result<Place> open(const std::filesystem::path& file, mode_t mode);

    /// Judges the folder again, then replaces the file.
    [[nodiscard]] Result<void> write(const Secret& secret) const;
    /// Removes the file; it need not be there.
    [[nodiscard]] Result<void> remove() const;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
    Place(Fd folder, std::filesystem::path path, mode_t mode)
        : folder_(std::move(folder)), path_(std::move(path)), mode_(mode) {}
    [[nodiscard]] Result<void> judge() const;

    Fd folder_;
    std::filesystem::path path_;
    mode_t mode_;
};

}  // namespace attestd
