// The command line of attestd-fetch.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd::fetch {

enum class Mode : std::uint8_t { systemd, listen, connection, check, help, version };

struct Options {
    Mode mode = Mode::systemd;
    std::filesystem::path config{};  ///< empty: the default file, or the built-in list
    std::string listen_path{};
    unsigned listen_mode = 0600;
    int connection = -1;
};

[[nodiscard]] std::string_view usage() noexcept;

/// Errc::bad_usage says what is wrong with `args` (without the program's name).
[[nodiscard]] Result<Options> parse_options(std::span<const std::string_view> args);

}  // namespace attestd::fetch
