// Boot event logs of TDX guests: `spec/guest-interfaces.md` section 7.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "quote/base/bytes.h"
#include "quote/base/digest.h"

namespace attestd::forge {

inline constexpr std::uint32_t kEvSeparator = 0x4;
inline constexpr std::uint32_t kEvIpl = 0xd;
inline constexpr std::uint32_t kEvEfiAction = 0x80000007;

struct LogEvent {
    std::uint32_t index;  ///< 1 to 4 for RTMR0 to RTMR3; 0 is MRTD
    std::uint32_t type;
    Bytes data;
    std::optional<Sha384> digest;  ///< of the data, unless given
};

/// What a small machine measures while booting: firmware action, separators, command line.
[[nodiscard]] std::vector<LogEvent> boot_events(std::string_view command_line);

/// The log: the record that says which digests follow (SHA-384), then the events, then all-ones
/// padding up to `area_len` when that is longer.
[[nodiscard]] Bytes event_log(const std::vector<LogEvent>& events, std::size_t area_len = 0);

/// RTMR0 to RTMR3 after these events.
[[nodiscard]] std::array<ByteArray<48>, 4> replay(const std::vector<LogEvent>& events);

}  // namespace attestd::forge
