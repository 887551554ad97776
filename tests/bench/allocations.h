// How often this program asked operator new for memory. Counted in the benchmark's binary alone.
#pragma once

#include <cstdint>

namespace attestd::bench {

/// Calls of operator new by all threads since the program began.
[[nodiscard]] std::uint64_t num_allocations() noexcept;

}  // namespace attestd::bench
