// Metrics: what the daemon counts. One thread, so plain numbers.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "quote/base/errc.h"

namespace attestd {

struct Metrics {
    std::uint64_t requests = 0;
    std::uint64_t releases = 0;
    std::uint64_t evidence = 0;
    std::uint64_t tokens = 0;               ///< given to workloads, with their key or without
    std::uint64_t connections = 0;          ///< accepted so far
    std::uint64_t connections_refused = 0;  ///< at a limit, or not identified
    std::uint64_t reloads = 0, reloads_failed = 0;
    std::map<Errc, std::uint64_t> denials;  ///< by code
};

}  // namespace attestd
