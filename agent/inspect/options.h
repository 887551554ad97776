// The command line of attestd-inspect.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "quote/base/result.h"

namespace attestd::inspect {

enum class Mode : std::uint8_t { systemd, listen, help, version };

struct Options {
    Mode mode = Mode::systemd;
    std::string listen_path{};
    std::optional<uid_t> client{};  ///< not given: who owns the socket
    std::uint64_t max_len = std::uint64_t{256} << 20;
};

[[nodiscard]] std::string_view usage() noexcept;

/// Errc::bad_usage says what is wrong with `args` (without the program's name).
[[nodiscard]] Result<Options> parse_options(std::span<const std::string_view> args);

}  // namespace attestd::inspect
