// Places: what of the file system the daemon opens, as its configuration says.
//
// Confinement is made of them (landlock.h), and a reload that needs more is refused: what a process
// may open can only become less.
#pragma once

#include <filesystem>
#include <vector>

#include "config/config.h"

namespace attestd {

enum class Access : std::uint8_t {
    read,    ///< files and folders
    write,   ///< also to make, change, rename and remove what lies there
    device,  ///< to open for reading and writing what is there, and ioctl()
};

struct Place {
    std::filesystem::path path;  ///< absolute; the place itself and all that lies below
    Access access;

    friend bool operator==(const Place&, const Place&) = default;
};

/// All that the daemon opens after its start under this configuration, its own file included: that
/// of the system (programs, /etc, /proc, /sys, the TEE's devices) and the folders of what
/// configuration names. A file is there by its folder, since it may be replaced by a new one.
[[nodiscard]] std::vector<Place> places_of(const std::filesystem::path& config_file,
                                           const Config& config);

/// The first of `wanted` that no place of `given` covers; null when there is none.
[[nodiscard]] const Place* first_outside(const std::vector<Place>& wanted,
                                         const std::vector<Place>& given);

}  // namespace attestd
