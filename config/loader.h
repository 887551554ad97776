// load_config(): /etc/attestd/attestd.json and what it names, strictly.
//
// Unknown and doubled keys, wrong types and values that mean nothing are refused with file, line
// and what was expected. The result is complete and valid, or there is none. The loader reads the
// files that it is told to and nothing else; user and group names come from local files only.
#pragma once

#include <filesystem>

#include "config/config.h"
#include "quote/base/result.h"

namespace attestd {

/// Where names of users and groups are looked up.
struct AccountFiles {
    std::filesystem::path passwd = "/etc/passwd";
    std::filesystem::path group = "/etc/group";
};

/// `root`, if given, stands before every path that is read: the file system of an image that is
/// being made. Errc::bad_config, Errc::bad_reference, Errc::bad_name, the JSON errors and those of
/// reading a file.
[[nodiscard]] Result<Config> load_config(const std::filesystem::path& file,
                                         const AccountFiles& accounts = {},
                                         const std::filesystem::path& root = {});

}  // namespace attestd
