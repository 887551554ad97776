// The command line of attestd-azure-vtpm.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/azure_vtpm/service.h"
#include "quote/base/result.h"

namespace attestd::vtpm {

enum class Mode : std::uint8_t { systemd, listen, help, version };

struct Options {
    Mode mode = Mode::systemd;
    std::string listen_path{};
    ServiceConfig service{};
};

[[nodiscard]] std::string_view usage() noexcept;

/// Errc::bad_usage says what is wrong with `args` (without the program's name).
[[nodiscard]] Result<Options> parse_options(std::span<const std::string_view> args);

}  // namespace attestd::vtpm
