// Accounts: user and group names to numbers, from files in the form of passwd(5) and group(5).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "quote/base/result.h"

namespace attestd {

class Accounts final {
 public:
    /// Reads nothing yet: a configuration without names needs no such file.
    Accounts(std::filesystem::path passwd, std::filesystem::path group)
        : passwd_(std::move(passwd)), group_(std::move(group)) {}

    /// Errc::bad_reference when the file has no such name.
    [[nodiscard]] Result<uid_t> user(const std::string& name);
    [[nodiscard]] Result<gid_t> group(const std::string& name);

    /// "user app=1000" for each name that was resolved: part of what the configuration rests on.
    [[nodiscard]] const std::vector<std::string>& resolved() const noexcept { return resolved_; }

 private:
    [[nodiscard]] Result<std::uint32_t> look_up(std::string_view kind,
                                                const std::filesystem::path& file,
                                                const std::string& name);

    std::filesystem::path passwd_, group_;
    std::vector<std::string> resolved_;
};

}  // namespace attestd
