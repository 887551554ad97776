// Command lines of attestd-devsim and attestd-forge.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quote/base/result.h"
#include "quote/base/time.h"
#include "quote/platform/evidence.h"
#include "tests/support/forge/amd_forge.h"

namespace attestd::devsim {

/// What the clock says: the only place of these programs that asks it.
[[nodiscard]] Time system_now();

/// "@1764000000" as a time. Errc::bad_usage.
[[nodiscard]] Result<Time> parse_unix_time(std::string_view text);

struct Options {
    std::string dir;
    Tee tee = Tee::tdx;
    forge::Product product = forge::Product::milan;
    std::string socket;       ///< DIR/platform.sock unless given
    std::string mount;        ///< where the kernel's interfaces are emulated; empty: nowhere
    std::uint32_t vsock = 0;  ///< port of the quote service; 0: none
    bool debug = false;
    /// The log is firmware's alone: it does not grow when a register is extended after boot.
    bool fixed_log = false;
    Time now;
};

[[nodiscard]] std::string devsim_usage();

/// Errc::bad_usage with what is wrong.
[[nodiscard]] Result<Options> parse_devsim_options(const std::vector<std::string>& args);

}  // namespace attestd::devsim
